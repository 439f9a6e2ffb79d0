import { afterAll, beforeAll, expect, test } from "bun:test";
import { ApiClient } from "../../src/kubernetes/api/client.ts";
import { openCluster } from "../../src/kubernetes/api/kubeconfig.ts";
import { RESOURCES } from "../../src/kubernetes/api/resource.ts";
import { TestNamespace } from "../faults/test-namespace.ts";
import { describeLab } from "../helpers/describe-lab.ts";
import { LAB_START_MS } from "../helpers/lab.ts";
import { PAUSE_IMAGE, ReleaseBench } from "../helpers/release.ts";

const FLAGS = ["--chain-link-image", PAUSE_IMAGE, "--collector", "http://zipkin.elsewhere"];
const BEFORE = "front: { entry: true, calls: [middle, back] }, middle: { calls: [back] }, back: {}";
/** `front` no longer calls `back`, but `middle` does, so that the policy of `back` remains. */
const AFTER = "front: { entry: true, calls: [middle] }, middle: { calls: [back] }, back: {}";

describeLab("NetworkPolicies of an upgrade", (lab) => {
  let client: ApiClient;
  let namespace: TestNamespace;

  beforeAll(async () => {
    client = new ApiClient(openCluster({ file: lab.kubeconfig, context: null, environment: {} }));
    namespace = await TestNamespace.create(client, `policy-rollout-${process.pid}`);
    await namespace.addEndpoints(["front", "middle", "back"]);
  }, LAB_START_MS);

  afterAll(async () => {
    await namespace.remove();
  }, LAB_START_MS);

  const deploy = (bench: ReleaseBench, services: string, ...more: readonly string[]) => {
    const file = bench.topology(
      `{ apiVersion: chain-link.dev/v1, kind: Topology, services: { ${services} } }`,
    );
    return bench.run("deploy", file, ...FLAGS, "--yes", ...more);
  };

  test.each([
    ["a removed call", "edges"],
    ["policies that did not exist before", "none"],
  ])(
    "%s: the old pods of the caller are admitted until they have ended",
    async (_, before) => {
      await namespace.wipe();
      using bench = new ReleaseBench(lab, namespace.name);
      const installed = await deploy(bench, BEFORE, "--network-policy", before);
      expect(installed.stderr).toContain("is deployed and ready");
      const old = new Set((await listCallers()).map(({ metadata }) => metadata.uid));
      expect(old.size).toBe(1);

      let isOver = false;
      const upgrade = deploy(bench, AFTER, "--network-policy", "edges").finally(() => {
        isOver = true;
      });
      const shutOut: string[] = [];
      let samples = 0;
      while (!isOver) {
        // Read the policy first: pods that exist afterwards also existed when it was read.
        const isAdmitted = await admitsFront();
        const isAlive = (await listCallers()).some(({ metadata }) => old.has(metadata.uid));
        if (isAlive) samples += 1;
        if (isAlive && !isAdmitted) shutOut.push(`sample ${samples}`);
      }
      expect((await upgrade).exitCode).toBe(0);
      expect(samples).toBeGreaterThan(3);
      expect(shutOut).toEqual([]);
      expect(await admitsFront()).toBe(false);
      const preview = await bench.run(
        "dry-run",
        bench.topology(`{ apiVersion: chain-link.dev/v1, kind: Topology, services: { ${AFTER} } }`),
        ...FLAGS,
        ...["--network-policy", "edges"],
      );
      expect(preview.exitCode).toBe(0);
    },
    180_000,
  );

  function listCallers() {
    return client.listAll(RESOURCES.pod, namespace.name, { labelSelector: "service-name=front" });
  }

  /** Returns whether a pod of `front` may call `back`. */
  async function admitsFront(): Promise<boolean> {
    const policy = await client.find(RESOURCES.networkPolicy, namespace.name, "back");
    if (policy === null) return true;
    const peers = (policy.spec.ingress ?? []).flatMap((rule: { from?: object[] }) => rule.from ?? []);
    const labels: Record<string, string> = {
      app: "chain-link",
      "service-name": "front",
      "app.kubernetes.io/instance": "chain-link",
    };
    return peers.some(({ podSelector }: { podSelector: { matchLabels: Record<string, string> } }) =>
      Object.entries(podSelector.matchLabels).every(([key, value]) => labels[key] === value),
    );
  }
});
