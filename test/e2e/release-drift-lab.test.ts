import { describe, expect, test } from "bun:test";
import { eventually, runCli } from "../helpers/cli.ts";
import { describeReleases } from "../helpers/describe-lab.ts";
import { emptyTopology, PAUSE_IMAGE, type ReleaseBench } from "../helpers/release.ts";

/** Both shapes of a release, with the arguments of deploy and the Deployment of one link. */
const SHAPES = [
  ["a chain", () => ["--instances", "2"], "chain-link-deployment-1"],
  ["a topology", (bench: ReleaseBench) => [bench.topology(emptyTopology(2))], "s1"],
] as const;
const IMAGE = ["--chain-link-image", PAUSE_IMAGE];
const DEPLOY = [...IMAGE, "--wait=false", "-o", "json"];

describeReleases("a release that others have changed", (benches) => {
  const { lab } = benches;

  const replicasOf = async (bench: ReleaseBench, deployment: string): Promise<number> =>
    (await lab.query("get", "deployment", deployment, "-n", bench.namespace)).spec.replicas;

  describe.each(SHAPES)("%s", (_, shape, deployment) => {
    const open = (title: string) => benches.open(`drift-${title}-${deployment.length}`);

    test.each([
      ["kubectl apply", ["apply"]],
      ["kubectl create", ["create"]],
      ["kubectl apply --server-side", ["apply", "--server-side"]],
      ["the original, a Python client", ["create", "--field-manager=OpenAPI-Generator"]],
    ])(
      "a release adopts objects from %s, and removes fields that it does not want",
      async (_title, command) => {
        const bench = open(`adopt${command.join("").length}`);
        const place = ["-n", bench.namespace];
        await lab.kubectl(["create", "namespace", bench.namespace]);
        const generated = await runCli([
          ...["generate", ...shape(bench), ...IMAGE, "-o", "yaml", "--namespace", bench.namespace],
          ...["--config-file", `${bench.topology("")}.conf`],
        ]);
        const input = generated.stdout
          .replace(/^( *)- name: CHAIN_LINK_DRAIN$/gm, "$1- name: STALE\n$1  value: x\n$&")
          .replace(/^ {2}name: [^\n]*-service-0$|^ {2}name: s0$/gm, "  annotations:\n    stale: x\n$&");
        expect(input).toContain("STALE");
        expect(input).toContain("stale: x");
        await lab.kubectl([...command, "-f", "-", ...place], { input, mayFail: true });
        const envOf = async () => {
          const { spec } = await lab.query("get", "deployment", deployment, ...place);
          return spec.template.spec.containers[0].env.map(({ name }: { name: string }) => name);
        };
        expect(await envOf()).toContain("STALE");
        const adopted = await bench.run("deploy", ...shape(bench), ...DEPLOY, "--take-ownership");
        expect(adopted.stderr).not.toContain("ERROR");
        expect(adopted.exitCode).toBe(0);
        expect(await envOf()).not.toContain("STALE");
        const { items } = await lab.query("get", "services", "--show-managed-fields", ...place);
        expect(items.filter(({ metadata }: Named) => metadata.annotations?.stale !== undefined)).toEqual([]);
        const managers = new Set(
          items.flatMap(({ metadata }: Named) => metadata.managedFields.map(({ manager }) => manager)),
        );
        expect([...managers]).toEqual(["chain-link"]);
        expect((await bench.run("dry-run", ...shape(bench), ...IMAGE)).exitCode).toBe(0);
      },
      60_000,
    );

    test("deleting a release keeps objects that only have its labels", async () => {
      const bench = open("leftover");
      const place = ["-n", bench.namespace];
      await bench.run("deploy", ...shape(bench), ...DEPLOY);
      const live = await lab.query("get", "deployment", deployment, ...place);
      const { "applyset.kubernetes.io/part-of": _, ...labels } = live.metadata.labels;
      const { template } = live.spec;
      template.metadata.labels.app = "leftover";
      const selector = { matchLabels: template.metadata.labels };
      const leftover = {
        ...{ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "leftover", labels } },
        spec: { replicas: 1, selector, template },
      };
      await lab.kubectl(["create", "-f", "-", ...place], { input: JSON.stringify(leftover) });
      await eventually(async () => {
        const { items } = await lab.query("get", "pods", "-l", "app=leftover", ...place);
        return items.length > 0 ? true : undefined;
      });
      const deleted = await bench.run("delete", "--yes");
      expect(deleted.stderr).toContain("was deleted from namespace");
      expect(deleted.exitCode).toBe(0);
      expect(await bench.list()).toEqual(["Deployment/leftover"]);
    }, 120_000);

    test("a release keeps a scaled replica count until its own count changes", async () => {
      const bench = open("scale");
      const scaled = (replicas: number) =>
        deployment === "s1"
          ? [bench.topology(emptyTopology(2).replace("s1: { replicas: 0", `s1: { replicas: ${replicas}`))]
          : [bench.topology(`{${HEAD}, chain: 2, defaults: { replicas: ${replicas} } }`)];
      const deploy = (replicas: number) => bench.run("deploy", ...scaled(replicas), ...DEPLOY);
      expect((await deploy(0)).exitCode).toBe(0);
      const scale = ["scale", `deployment/${deployment}`, "-n", bench.namespace];
      await lab.kubectl([...scale, "--replicas=3"]);
      expect(JSON.parse((await deploy(0)).stdout)).toMatchObject({ revision: 1, updated: 0 });
      expect(await replicasOf(bench, deployment)).toBe(3);
      expect(JSON.parse((await deploy(2)).stdout)).toMatchObject({ revision: 2 });
      expect(await replicasOf(bench, deployment)).toBe(2);
      await lab.kubectl([...scale, "--replicas=3"]);
      expect((await bench.run("rollback", "--wait=false")).exitCode).toBe(0);
      expect(await replicasOf(bench, deployment)).toBe(0);
    }, 60_000);

    test("a release keeps an autoscaler's replica count when its own count changes", async () => {
      const bench = open("hpa");
      const deploy = (links: number) =>
        deployment === "s1"
          ? [bench.topology(emptyTopology(2).replace("s1: { replicas: 0", `s1: { replicas: ${links}`))]
          : [bench.topology(`{${HEAD}, chain: 2, defaults: { replicas: ${links} } }`)];
      await bench.run("deploy", ...deploy(1), ...DEPLOY);
      // Does what the autoscaler's controller would do, which needs metrics that the lab does not have.
      const scale = `/apis/apps/v1/namespaces/${bench.namespace}/deployments/${deployment}/scale`;
      const patch = JSON.stringify({ spec: { replicas: 4 } });
      await lab.kubectl([
        ...["patch", "deployment", deployment, "-n", bench.namespace, "--subresource=scale", "--type=merge"],
        ...["--field-manager=kube-controller-manager", "-p", patch],
      ]);
      expect((await lab.kubectl(["get", "--raw", scale])).stdout).toContain('"replicas":4');
      expect((await bench.run("deploy", ...deploy(2), ...DEPLOY)).exitCode).toBe(0);
      expect(await replicasOf(bench, deployment)).toBe(4);
    }, 60_000);

    test("a deploy recreates a load generator that has ended", async () => {
      const bench = open("ended");
      const deploy = ["deploy", ...shape(bench), ...DEPLOY];
      await bench.run(...deploy);
      const place = ["-n", bench.namespace];
      const before = await lab.query("get", "pod", "loadgenerator", ...place);
      const ended = JSON.stringify({ status: { phase: "Failed", reason: "Evicted" } });
      await lab.kubectl([
        ...["patch", "pod", "loadgenerator", ...place, "--subresource=status", "--type=merge", "-p", ended],
      ]);
      const preview = await bench.run("dry-run", ...shape(bench), ...IMAGE);
      expect(preview.exitCode).toBe(1);
      expect(preview.stdout).toContain("± Pod loadgenerator");
      expect(preview.stdout).toContain("Failed (Evicted)");
      expect(JSON.parse((await bench.run(...deploy)).stdout)).toMatchObject({ revision: 2, updated: 1 });
      const after = await lab.query("get", "pod", "loadgenerator", ...place);
      expect(after.metadata.uid).not.toBe(before.metadata.uid);
    }, 60_000);

    test("a release is not ready when a link is scaled to 0, paused, or has another image", async () => {
      const bench = open("valid");
      const one = shape(bench).map((file) =>
        file.endsWith(".yaml")
          ? bench.topology(emptyTopology(2).replace("s1: { replicas: 0", "s1: { replicas: 1"))
          : file,
      );
      await bench.run("deploy", ...one, ...DEPLOY);
      const place = ["-n", bench.namespace];
      const name = `deployment/${deployment}`;
      const problems = async () => (await bench.run("validate")).stderr;
      await lab.kubectl(["scale", name, "--replicas=0", ...place]);
      const isScaled = `'${deployment}' is not ready: is scaled to 0 by kubectl`;
      await eventually(async () => ((await problems()).includes(isScaled) ? true : undefined));
      await lab.kubectl(["set", "image", name, "chain-link=other:1", ...place]);
      expect(await problems()).toMatch(/image was changed by "kubectl-set"|pods/);
      await lab.kubectl(["rollout", "pause", name, ...place]);
      expect(await problems()).toContain(`'${deployment}' is not ready: is paused: kubectl rollout resume`);
      expect((await bench.run("validate")).exitCode).toBe(1);
    }, 60_000);
  });
});

const HEAD = "apiVersion: chain-link.dev/v1, kind: Topology, metadata: { name: t }";

interface Named {
  readonly metadata: {
    readonly annotations?: Readonly<Record<string, string>>;
    readonly managedFields: readonly { readonly manager: string }[];
  };
}
