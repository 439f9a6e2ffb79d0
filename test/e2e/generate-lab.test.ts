import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderManifest, renderStream } from "../../src/kubernetes/manifest-file.ts";
import { writeManifests } from "../../src/kubernetes/manifest-folder.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { buildObjects } from "../../src/kubernetes/objects.ts";
import { renderYaml } from "../../src/kubernetes/yaml.ts";
import { buildChain } from "../../src/topology/chain.ts";
import type { Topology } from "../../src/topology/model.ts";
import { parseTopology } from "../../src/topology/parse.ts";
import { describeLab } from "../helpers/describe-lab.ts";
import { LAB_START_MS } from "../helpers/lab.ts";

const SHOP = new URL("../fixtures/kubernetes/shop.yaml", import.meta.url);

const CASES: readonly { title: string; namespace: string; topology: Topology }[] = [
  { title: "a chain of 3", namespace: "generate-chain", topology: buildChain(3) },
  {
    title: "a graph",
    namespace: "generate-graph",
    topology: parseTopology(readFileSync(SHOP, "utf8"), "shop.yaml"),
  },
];

describeLab("generated manifests on a real API server", (lab) => {
  let top: string;

  beforeAll(async () => {
    top = mkdtempSync(join(tmpdir(), "generate-lab-"));
    for (const { namespace } of CASES) await createRestrictedNamespace(namespace);
  }, LAB_START_MS);

  afterAll(async () => {
    for (const { namespace } of CASES) await remove(namespace, "--wait=false");
    rmSync(top, { recursive: true, force: true });
  }, LAB_START_MS);

  async function createRestrictedNamespace(name: string): Promise<void> {
    await remove(name);
    const labels = Object.fromEntries(
      ["enforce", "warn", "audit"].map((mode) => [`pod-security.kubernetes.io/${mode}`, "restricted"]),
    );
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
    await lab.kubectl(["create", "-f", "-"], { input: JSON.stringify(namespace) });
  }

  function remove(namespace: string, ...more: string[]): Promise<unknown> {
    const args = ["delete", "namespace", namespace, "--ignore-not-found", "--timeout=60s", ...more];
    return lab.kubectl(args, { mayFail: true });
  }

  function apply(path: string, ...more: string[]) {
    return lab.kubectl(["apply", "--server-side", "--validate=strict", "-f", path, ...more]);
  }

  describe.each(CASES)("$title", ({ namespace, topology }) => {
    const folder = () => join(top, namespace);
    const objects = buildObjects(topology, { namespace });
    const deployments = objects.filter(({ kind }) => kind === "Deployment");

    test("a dry run accepts the manifests without a warning", async () => {
      writeManifests(folder(), objects.map(renderManifest));
      const { stdout, stderr } = await apply(folder(), "--dry-run=server");
      expect(stderr).toBe("");
      expect(stdout.trimEnd().split("\n")).toHaveLength(objects.length);
    }, 30_000);

    test.each(["yaml", "json"] as const)(
      "the manifests are accepted as one stream of %s",
      async (format) => {
        const input = [...renderStream(objects, format)].join("");
        const { stdout } = await lab.kubectl(["apply", "--server-side", "--dry-run=server", "-f", "-"], {
          input,
        });
        expect(stdout.trimEnd().split("\n")).toHaveLength(objects.length);
      },
      30_000,
    );

    test("every desired pod is created under the profile restricted", async () => {
      const { stderr } = await apply(folder());
      expect(stderr).toBe("");
      const wanted = Object.fromEntries(
        deployments.map(({ metadata, spec }) => [metadata.name, (spec as { replicas: number }).replicas]),
      );
      expect(await waitForPods(namespace, wanted)).toEqual(wanted);
      const pod = await lab.query("get", "pod", "loadgenerator", "-n", namespace);
      expect(pod.spec.containers[0].args[1]).toBe(`http://${topology.entry}`);
    }, 60_000);

    test("its Zipkin starts with these rights and limits", async () => {
      const name = "deployment/zipkin-deployment";
      await lab.kubectl(["rollout", "status", name, "-n", namespace, "--timeout=150s"]);
      const url = `/api/v1/namespaces/${namespace}/services/zipkin-service:80/proxy/api/v2/services`;
      expect((await lab.kubectl(["get", "--raw", url])).stdout.trim()).toBe("[]");
    }, 160_000);
  });

  test("a restricted right that is left open causes a warning", async () => {
    const [{ namespace = "", topology = buildChain(1) } = {}] = CASES;
    const object = buildObjects(topology, { namespace }).find(({ kind }) => kind === "Deployment");
    const open = JSON.parse(
      JSON.stringify(object).replace('"allowPrivilegeEscalation":false', '"allowPrivilegeEscalation":true'),
    );
    const args = ["apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", "-"];
    const { stderr } = await lab.kubectl(args, { input: renderYaml(open) });
    expect(stderr).toContain('would violate PodSecurity "restricted:latest": allowPrivilegeEscalation');
  }, 30_000);

  /** kubectl reads YAML with go-yaml, which takes some texts for numbers or dates that other readers keep as text. */
  test("kubectl reads every string as a string", async () => {
    const texts = [
      "1_000",
      "0b11",
      "0o17",
      "017",
      "1:20",
      "2001-01-01",
      "y",
      "on",
      "~",
      "=",
      "<<",
      "",
      " a ",
      "# a",
    ];
    const more = [
      "0x_1F",
      "1__",
      ".5",
      "1.",
      "1e3",
      ".inf",
      "-.Inf",
      ".NaN",
      "NULL",
      "it's",
      "a: b",
      "a\nb\t",
      "\u2028",
    ];
    const data = Object.fromEntries([...texts, ...more].map((text, index) => [`key-${index}`, text]));
    const object: KubernetesObject = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "texts" },
      data,
    };
    const args = ["create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-"];
    const { stdout } = await lab.kubectl(args, { input: renderYaml(object) });
    expect(JSON.parse(stdout).data).toEqual(data);
  });

  /** Returns the pods of the newest ReplicaSet of each Deployment, once all exist or the time is up. */
  async function waitForPods(
    namespace: string,
    wanted: Readonly<Record<string, number>>,
  ): Promise<Record<string, number>> {
    const giveUpAt = Date.now() + 30_000;
    for (;;) {
      const { items } = await lab.query("get", "replicasets", "-n", namespace);
      const made: Record<string, number> = {};
      for (const { metadata, status } of items) {
        const failure = status.conditions?.find(
          (condition: { type: string }) => condition.type === "ReplicaFailure",
        );
        if (failure !== undefined) throw new Error(`${metadata.name}: ${failure.message}`);
        made[metadata.ownerReferences[0].name] = status.replicas;
      }
      if (Bun.deepEquals(made, wanted) || Date.now() > giveUpAt) return made;
      await Bun.sleep(200);
    }
  }
});
