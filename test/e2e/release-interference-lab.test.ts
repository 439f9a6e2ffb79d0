import { describe, expect, test } from "bun:test";
import { ApiClient } from "../../src/kubernetes/api/client.ts";
import { openCluster } from "../../src/kubernetes/api/kubeconfig.ts";
import { TestNamespace } from "../faults/test-namespace.ts";
import { eventually } from "../helpers/cli.ts";
import { describeReleases } from "../helpers/describe-lab.ts";
import { emptyTopology, PAUSE_IMAGE, ReleaseBench } from "../helpers/release.ts";

const FLAGS = ["--chain-link-image", PAUSE_IMAGE, "--collector", "http://zipkin.elsewhere"];
const STEP_MS = 180_000;

function document(bench: ReleaseBench, content: string): string {
  return bench.topology(`{ apiVersion: chain-link.dev/v1, kind: Topology, ${content} }`);
}

/**
 * The table "Interference" of docs/release-faults.md. `test/faults/outages.ts` has the cases that need a whole cluster.
 */
describeReleases("a release and what else is in its cluster", (benches) => {
  const { lab } = benches;

  async function open(title: string): Promise<ReleaseBench> {
    const bench = benches.open(`interference-${title}`);
    await lab.kubectl(["create", "namespace", bench.namespace]);
    return bench;
  }

  const graph = (bench: ReleaseBench, services: string) => document(bench, `services: { ${services} }`);
  const create = (bench: ReleaseBench, object: object) =>
    lab.kubectl(["create", "-n", bench.namespace, "-f", "-"], { input: JSON.stringify(object) });

  describe.each([
    ["a chain", (bench: ReleaseBench) => document(bench, "chain: 2, defaults: { replicas: 0 }")],
    ["a topology", (bench: ReleaseBench) => bench.topology(emptyTopology(2))],
  ] as const)("%s", (shape, write) => {
    const title = shape.slice(2);

    test(
      "a second release in the same namespace is refused with all clashes, and the first one stays as it is",
      async () => {
        const bench = await open(`second-${title}`);
        expect((await bench.run("deploy", write(bench), ...FLAGS)).exitCode).toBe(0);
        const before = await bench.list();
        const second = await bench.run("deploy", write(bench), ...FLAGS, "--release", "other");
        expect(second.exitCode).toBe(1);
        expect(second.stderr).toContain('Pod loadgenerator: belongs to release "chain-link"');
        expect(second.stderr).toMatch(/Service \S+: belongs to release "chain-link"/);
        expect(await bench.list()).toEqual(before);
        expect((await bench.run("delete", "--release", "other", "--yes")).stderr).toContain(
          'there is no release "other"',
        );
        expect((await bench.run("validate")).exitCode).toBe(0);
      },
      STEP_MS,
    );

    test(
      "a terminating namespace is reported by each command",
      async () => {
        const bench = await open(`terminating-${title}`);
        expect((await bench.run("deploy", write(bench), ...FLAGS)).exitCode).toBe(0);
        await create(bench, {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { name: "stays", finalizers: ["chain-link.dev/test"] },
        });
        const place = ["-n", bench.namespace];
        await lab.kubectl(["delete", "namespace", bench.namespace, "--wait=false"]);
        try {
          await eventually(async () => {
            const left = await bench.list();
            return left.length === 1 ? true : undefined;
          }, STEP_MS / 2);
          for (const command of [
            ["deploy", write(bench), ...FLAGS],
            ["dry-run", write(bench), ...FLAGS],
            ["rollback"],
            ["validate"],
            ["delete"],
          ]) {
            const { exitCode, stderr } = await bench.run(...command);
            expect([command[0], exitCode === 0, stderr]).toEqual([
              command[0],
              false,
              expect.stringContaining("is being deleted"),
            ]);
          }
        } finally {
          const none = JSON.stringify({ metadata: { finalizers: null } });
          await lab.kubectl(["patch", "configmap", "stays", "--type=merge", "-p", none, ...place]);
        }
      },
      STEP_MS,
    );

    test(
      "an object with a finalizer that the next deploy needs again is named, and the deploy converges once it is gone",
      async () => {
        const bench = await open(`finalizer-${title}`);
        const service = title === "chain" ? "chain-link-service-1" : "s1";
        const place = ["-n", bench.namespace];
        const patch = (finalizers: readonly string[] | null) =>
          lab.kubectl([
            ...["patch", "service", service, "--type=merge", ...place],
            ...["-p", JSON.stringify({ metadata: { finalizers } })],
          ]);
        expect((await bench.run("deploy", write(bench), ...FLAGS)).exitCode).toBe(0);
        await patch(["chain-link.dev/test"]);
        await lab.kubectl(["delete", "service", service, "--wait=false", ...place]);
        const held = await bench.run("deploy", write(bench), ...FLAGS, "--timeout", "3s");
        expect(held.exitCode).toBe(1);
        expect(held.stderr).toContain(`Service ${service}: still has finalizers: chain-link.dev/test`);
        await patch(null);
        expect((await bench.run("deploy", write(bench), ...FLAGS)).exitCode).toBe(0);
        expect((await bench.run("dry-run", write(bench), ...FLAGS)).exitCode).toBe(0);
      },
      STEP_MS,
    );

    test(
      "PodDisruptionBudgets that allow no disruption stop neither an upgrade nor a rollback nor a delete",
      async () => {
        const client = new ApiClient(openCluster({ file: lab.kubeconfig, context: null, environment: {} }));
        const namespace = await TestNamespace.create(client, `interference-budget-${title}-${process.pid}`);
        const services = title === "chain" ? ["chain-link-service-0", "chain-link-service-1"] : ["s0", "s1"];
        await namespace.addEndpoints(services);
        using bench = new ReleaseBench(lab, namespace.name);
        try {
          await create(bench, {
            apiVersion: "policy/v1",
            kind: "PodDisruptionBudget",
            metadata: { name: "none" },
            spec: { maxUnavailable: 0, selector: {} },
          });
          const file = (latency: string) =>
            title === "chain"
              ? document(bench, `chain: 2, defaults: { latency: ${latency} }`)
              : graph(bench, `s0: { entry: true, calls: [s1], latency: ${latency} }, s1: {}`);
          for (const latency of ["1ms", "2ms"]) {
            const { stderr } = await bench.run("deploy", file(latency), ...FLAGS);
            expect(stderr).toContain("is deployed and ready");
          }
          expect((await bench.run("rollback", "--yes")).exitCode).toBe(0);
          expect((await bench.run("delete", "--yes")).exitCode).toBe(0);
        } finally {
          await lab.kubectl(["delete", "pdb", "none", "-n", namespace.name], { mayFail: true });
          await namespace.remove();
        }
      },
      STEP_MS,
    );
  });

  test("services with the names of our objects are refused before anything is sent", async () => {
    const bench = await open("names");
    const file = graph(
      bench,
      "front: { entry: true, calls: [zipkin-service, loadgenerator] }, zipkin-service: {}, loadgenerator: {}",
    );
    const { exitCode, stderr } = await bench.run("deploy", file, ...FLAGS);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('service "zipkin-service": the name is taken');
    expect(stderr).toContain('service "loadgenerator": the name is taken');
    expect(await bench.list()).toEqual([]);
  });

  test(
    "a service named kubernetes works, but not in the namespace default, where the API server's Service is",
    async () => {
      const bench = await open("kubernetes");
      const file = graph(bench, "kubernetes: { entry: true, replicas: 0 }");
      expect((await bench.run("deploy", file, ...FLAGS)).exitCode).toBe(0);
      expect((await bench.run("delete", "--yes")).exitCode).toBe(0);
      using inDefault = new ReleaseBench(lab, "default");
      const refused = await inDefault.run("deploy", file, ...FLAGS);
      expect(refused.exitCode).toBe(1);
      expect(refused.stderr).toContain('service "kubernetes": the name is taken');
    },
    STEP_MS,
  );

  test(
    "a release that no Secret can record is refused before its namespace is created",
    async () => {
      const bench = benches.open("interference-size");
      const noise = () => Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))).toString("base64");
      const names = Array.from({ length: 30 }, (_, index) => `s${index}`);
      const services = names.map((name, index) => {
        return `${name}: { replicas: 0${index === 0 ? ", entry: true" : ""}, pods: { annotations: { noise: "${noise()}" } } }`;
      });
      const { exitCode, stderr } = await bench.run("deploy", graph(bench, services.join(", ")), ...FLAGS);
      expect(exitCode).not.toBe(0);
      expect(stderr).toContain("the release is too large");
      const { exitCode: found } = await lab.kubectl(["get", "namespace", bench.namespace], { mayFail: true });
      expect(found).not.toBe(0);
    },
    STEP_MS,
  );

  test(
    "a pod that PodSecurity refuses is reported with the violated level and its Deployment, and a repaired topology converges",
    async () => {
      const bench = await open("podsecurity");
      const place = ["namespace", bench.namespace];
      await lab.kubectl(["label", ...place, "pod-security.kubernetes.io/enforce=baseline"]);
      const annotations =
        "annotations: { container.apparmor.security.beta.kubernetes.io/chain-link: unconfined }";
      const file = graph(
        bench,
        `front: { entry: true, calls: [back], replicas: 0 }, back: { pods: { ${annotations} } }`,
      );
      const refused = await bench.run("deploy", file, ...FLAGS, "--timeout", "20s");
      expect(refused.exitCode).toBe(1);
      expect(refused.stderr).toMatch(/Deployment back: .*violates PodSecurity "baseline:latest"/s);
      const repaired = graph(
        bench,
        "front: { entry: true, calls: [back], replicas: 0 }, back: { replicas: 0 }",
      );
      expect((await bench.run("deploy", repaired, ...FLAGS)).exitCode).toBe(0);
    },
    STEP_MS,
  );
});
