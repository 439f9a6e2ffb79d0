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
  test("are as they were where nothing is asked", async () => {
    const objects = await generate(what);
    expect([...objects.values()]).toEqual(JSON.parse(JSON.stringify(plain)));
  });

  test("have what the cluster requires, all of them", async () => {
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

  test("of links have the resources that are asked for, and no selector changes", async () => {
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

  test("leave the user to the cluster, as OpenShift's restricted SCC wants it, or have the one that is named", async () => {
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
  ["--pod-label", "app=other", "a label that chain-link does not set itself"],
  ["--pod-label", "team", "KEY=VALUE"],
  ["--toleration", "a=b:Never", "NoSchedule, PreferNoSchedule, NoExecute"],
  ["--run-as-user", "0", "a user id from 1"],
])("%s %s is refused", async (flag, value, expected) => {
  const { exitCode, stderr } = await runCli(["generate", flag, value]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(expected);
});
