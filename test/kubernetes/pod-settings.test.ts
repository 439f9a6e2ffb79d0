import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { buildObjects } from "../../src/kubernetes/objects.ts";
import { buildChain } from "../../src/topology/chain.ts";
import { parseTopology } from "../../src/topology/parse.ts";
import { runCli, temporaryFolder } from "../helpers/cli.ts";

const SHOP_FILE = new URL("../fixtures/kubernetes/shop.yaml", import.meta.url).pathname;
const SHOP = parseTopology(readFileSync(SHOP_FILE, "utf8"), "shop.yaml");

// biome-ignore lint/suspicious/noExplicitAny: manifests as a cluster would read them
type Wire = any;

const FLAGS = [
  ...["--image-pull-secret", "regcred", "--node-selector", "disk=ssd"],
  ...["--toleration", "dedicated=mesh:NoSchedule", "--toleration", "spot"],
  ...["--pod-annotation", "sidecar.istio.io/inject=true", "--pod-label", "team=shop"],
  ...["--link-request", "cpu=50m", "--link-limit", "memory=128Mi,cpu=1"],
];

async function generate(what: readonly string[], ...flags: readonly string[]): Promise<Map<string, Wire>> {
  using folder = temporaryFolder();
  const config = ["--config-file", `${folder.path}/settings`];
  const { stdout, stderr, exitCode } = await runCli(["generate", ...what, "-o", "json", ...flags, ...config]);
  expect({ exitCode, stderr: stderr.includes("ERROR") }).toEqual({ exitCode: 0, stderr: false });
  const objects = JSON.parse(stdout).items as KubernetesObject[];
  return new Map(objects.map((object) => [`${object.kind}/${object.metadata.name}`, object]));
}

describe.each([
  [
    "a chain",
    ["--instances", "2"],
    "Deployment/chain-link-deployment-1",
    buildObjects(buildChain(2), { namespace: "chain-link" }),
  ],
  ["a topology", [SHOP_FILE], "Deployment/ads", buildObjects(SHOP, { namespace: "chain-link" })],
])("the pods of %s", (_, what, link, plain) => {
  test("are unchanged without settings", async () => {
    const objects = await generate(what);
    expect([...objects.values()]).toEqual(JSON.parse(JSON.stringify(plain)));
  });

  test("all have the settings that the cluster requires", async () => {
    const objects = await generate(what, ...FLAGS);
    const pods = [...objects.values()].flatMap(({ kind, spec, metadata }) =>
      kind === "Deployment" ? [spec.template] : kind === "Pod" ? [{ metadata, spec }] : [],
    );
    expect(pods.length).toBeGreaterThan(3);
    for (const { metadata, spec } of pods) {
      expect(spec).toMatchObject({
        imagePullSecrets: [{ name: "regcred" }],
        nodeSelector: { disk: "ssd" },
        tolerations: [
          { key: "dedicated", operator: "Equal", value: "mesh", effect: "NoSchedule" },
          { key: "spot", operator: "Exists" },
        ],
      });
      expect(metadata.annotations).toMatchObject({ "sidecar.istio.io/inject": "true" });
      expect(metadata.labels).toMatchObject({ team: "shop", app: "chain-link" });
    }
  });

  test("of links have the requested resources and unchanged selectors", async () => {
    const [before, after] = await Promise.all([generate(what), generate(what, ...FLAGS)]);
    const [container] = after.get(link).spec.template.spec.containers;
    expect(container.resources).toEqual({
      limits: { memory: "128Mi", cpu: "1" },
      requests: { memory: "64Mi", cpu: "50m" },
    });
    expect(after.get(link).spec.selector).toEqual(before.get(link).spec.selector);
    const zipkin = (objects: Map<string, Wire>) =>
      objects.get("Deployment/zipkin-deployment").spec.template.spec.containers[0].resources;
    expect(zipkin(after)).toEqual(zipkin(before));
  });

  test("leave the user to the cluster, as OpenShift's restricted SCC requires, or have the given user", async () => {
    const usersOf = (objects: Map<string, Wire>) =>
      [...JSON.stringify([...objects.values()]).matchAll(/"runAsUser":(\d+)/g)].map(([, user]) => user);
    const [own, none, named] = await Promise.all([
      generate(what),
      generate(what, "--run-as-user", "none"),
      generate(what, "--run-as-user", "12345"),
    ]);
    expect(usersOf(none)).toEqual([]);
    expect(JSON.stringify([...none.values()])).toContain('"runAsNonRoot":true');
    expect(new Set(usersOf(named))).toEqual(new Set(["12345"]));
    expect(usersOf(named).length).toBe(usersOf(own).length);
  });
});

test.each([
  ["--pod-label", "app=other", "a label other than those that chain-link sets"],
  ["--pod-label", "team", "KEY=VALUE"],
  ["--toleration", "a=b:Never", "NoSchedule, PreferNoSchedule, NoExecute"],
  ["--run-as-user", "0", "a user id from 1"],
])("%s %s is refused", async (flag, value, expected) => {
  const { exitCode, stderr } = await runCli(["generate", flag, value]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(expected);
});

describe("a topology's own pod settings", () => {
  const parse = (text: string) =>
    parseTopology(`{ apiVersion: chain-link.dev/v1, kind: Topology, ${text} }`, "test");
  const podsOf = (text: string): Map<string, Wire> =>
    new Map(
      buildObjects(parse(text), { namespace: "demo" }).flatMap((object: Wire) =>
        object.kind === "Deployment"
          ? [[object.metadata.name, object.spec.template]]
          : object.kind === "Pod"
            ? [[object.metadata.name, object]]
            : [],
      ),
    );

  test("apply to all pods; those of a service override them for its pods", () => {
    const pods = podsOf(
      `defaults: { pods: { nodeSelector: { disk: ssd }, annotations: { a: "1", b: "1" }, runAsUser: none } },
       services: { front: { entry: true, calls: [back] }, back: { pods: { annotations: { b: "2" }, limits: { cpu: "1" } } } }`,
    );
    for (const name of ["front", "back", "zipkin-deployment", "loadgenerator"])
      expect(pods.get(name).spec.nodeSelector).toEqual({ disk: "ssd" });
    expect(pods.get("front").metadata.annotations).toEqual({ a: "1", b: "1" });
    expect(pods.get("back").metadata.annotations).toEqual({ a: "1", b: "2" });
    expect(pods.get("back").spec.containers[0].resources.limits).toEqual({ memory: "256Mi", cpu: "1" });
    expect(pods.get("front").spec.containers[0].resources.limits).toEqual({ memory: "256Mi" });
    expect(JSON.stringify([...pods.values()])).not.toContain("runAsUser");
  });

  test("apply to a chain", () => {
    const pods = podsOf("chain: 2, defaults: { pods: { tolerations: [{ key: spot }] } }");
    expect(pods.get("chain-link-deployment-1").spec.tolerations).toEqual([
      { key: "spot", operator: "Exists" },
    ]);
  });

  test("are not part of a link's service entry, so changing them for one service changes no other", () => {
    const text = (pods: string) => `services: { front: { entry: true, calls: [back] }, back: { ${pods} } }`;
    const [before, after] = [podsOf(text("")), podsOf(text("pods: { annotations: { a: b } }"))];
    expect(after.get("front")).toEqual(before.get("front"));
    expect(after.get("back").spec).toEqual(before.get("back").spec);
  });

  test("are validated", () => {
    const wrong =
      "services: { a: { entry: true, pods: { labels: { app: x }, nodeselector: {}, runAsUser: 0 } } }";
    expect(() => parse(wrong)).toThrow(/no label that chain-link sets itself[\s\S]*nodeselector/);
  });
});
