import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { eventually } from "../helpers/cli.ts";
import { describeReleases } from "../helpers/describe-lab.ts";
import { LAB_START_MS } from "../helpers/lab.ts";
import { emptyTopology, PAUSE_IMAGE, type ReleaseBench } from "../helpers/release.ts";
import { type Webhook, Webhooks } from "../helpers/webhooks.ts";

const IMAGE = ["--chain-link-image", PAUSE_IMAGE];
const ELSEWHERE = ["--collector", "http://zipkin.elsewhere"];

/** Both shapes, each with the load generator's pod only: arguments, and the name of the second Service. */
const SHAPES = [
  ["a chain", (bench: ReleaseBench) => [bench.topology(emptyChain(3))], "chain-link-service-1"],
  ["a topology", (bench: ReleaseBench) => [bench.topology(emptyTopology(3))], "s1"],
] as const;

function emptyChain(links: number): string {
  return `{ apiVersion: chain-link.dev/v1, kind: Topology, chain: ${links}, defaults: { replicas: 0 } }`;
}

describeReleases("a release under the cluster's policies", (benches) => {
  const { lab } = benches;
  let webhooks: Webhooks;

  beforeAll(async () => {
    webhooks = await Webhooks.start(lab);
  }, LAB_START_MS);

  afterAll(async () => {
    await webhooks.stop();
  }, LAB_START_MS);

  describe.each(SHAPES)("%s", (_, shape, service) => {
    const deploy = (bench: ReleaseBench, ...more: readonly string[]) =>
      bench.run("deploy", ...shape(bench), ...IMAGE, ...ELSEWHERE, ...more);

    async function open(title: string): Promise<ReleaseBench> {
      const bench = benches.open(`policy-${title}-${service.length}`);
      await lab.kubectl(["create", "namespace", bench.namespace]);
      return bench;
    }

    /** A webhook takes effect shortly after it was configured. */
    async function guard(bench: ReleaseBench, webhook: Webhook, probe: object): Promise<string> {
      const name = await webhooks.add(bench.namespace, webhook);
      const input = JSON.stringify(probe);
      const tryProbe = ["create", "--dry-run=server", "-n", bench.namespace, "-o", "json", "-f", "-"];
      await eventually(async () => {
        const { exitCode, stdout } = await lab.kubectl(tryProbe, { input, mayFail: true });
        return exitCode !== 0 || stdout.includes("mirror.example") ? true : undefined;
      });
      return name;
    }

    test("deploy lists every object that a webhook or a LimitRange refuses, by name, before anything is changed", async () => {
      const bench = await open("refused");
      const limit = {
        apiVersion: "v1",
        kind: "LimitRange",
        metadata: { name: "small" },
        spec: { limits: [{ type: "Container", max: { memory: "100Mi" } }] },
      };
      await lab.kubectl(["create", "-n", bench.namespace, "-f", "-"], { input: JSON.stringify(limit) });
      const name = await guard(
        bench,
        { path: "/deny", kind: "Validating", resources: ["services"], operations: ["CREATE"] },
        PROBE_SERVICE,
      );
      const refused = await deploy(bench);
      expect(refused.exitCode).toBe(1);
      expect(refused.stderr).toContain("2 problems; nothing was changed");
      expect(refused.stderr).toMatch(/Pod loadgenerator: .*maximum memory usage per Container is 100Mi/);
      expect(refused.stderr).toContain(`admission webhook "${name}" denied the request`);
      expect(refused.stderr).toMatch(/Service (s0|chain-link-service-0): .* is not on the list/);
      expect(await bench.list()).toEqual([]);
    }, 60_000);

    test("deploy lists refused objects that the dry run of a similar one did not show; upgrade and rollback work afterwards", async () => {
      const bench = await open("late");
      expect((await deploy(bench)).exitCode).toBe(0);
      const [before] = await bench.list();
      expect(before).toBeDefined();
      await guard(
        bench,
        { path: "/deny/more", kind: "Validating", resources: ["services"], operations: ["CREATE"] },
        { ...PROBE_SERVICE, metadata: { name: "more" } },
      );
      const wider = bench.topology(
        `{ apiVersion: chain-link.dev/v1, kind: Topology, defaults: { replicas: 0 }, services: { a: { entry: true }, more-1: {}, more-2: {} } }`,
      );
      const refused = await bench.run("deploy", wider, ...IMAGE, ...ELSEWHERE);
      expect(refused.exitCode).toBe(1);
      for (const name of ["more-1", "more-2"]) expect(refused.stderr).toContain(`Service ${name}: `);
      expect((await bench.run("rollback", "1", "--yes")).exitCode).toBe(0);
      expect((await bench.run("dry-run", ...shape(bench), ...IMAGE, ...ELSEWHERE)).exitCode).toBe(0);
    }, 60_000);

    test("deploy keeps a load generator whose image a webhook rewrote at creation", async () => {
      const bench = await open("rewritten");
      await guard(
        bench,
        { path: "/rewrite", kind: "Mutating", resources: ["pods"], operations: ["CREATE"] },
        {
          apiVersion: "v1",
          kind: "Pod",
          metadata: { name: "x" },
          spec: { containers: [{ name: "x", image: "x" }] },
        },
      );
      expect((await deploy(bench, "--wait=false")).exitCode).toBe(0);
      const uidOf = async () => {
        const { metadata, spec } = await lab.query("get", "pod", "loadgenerator", "-n", bench.namespace);
        expect(spec.containers[0].image).toStartWith("mirror.example/");
        return metadata.uid;
      };
      const uid = await uidOf();
      const again = await deploy(bench, "--wait=false", "-o", "json");
      expect(JSON.parse(again.stdout)).toMatchObject({ revision: 1, updated: 0 });
      expect(await uidOf()).toBe(uid);
      const other = await deploy(bench, "--wait=false", "--sleep-time", "7", "-o", "json");
      expect(JSON.parse(other.stdout)).toMatchObject({ revision: 2, updated: 1 });
      expect(await uidOf()).not.toBe(uid);
    }, 60_000);

    test("deploy names a webhook that does not answer, and the object", async () => {
      const bench = await open("hanging");
      const name = await webhooks.add(bench.namespace, {
        ...{ path: "/hang", kind: "Mutating", resources: ["services"], operations: ["CREATE"] },
        timeoutSeconds: 1,
      } as Webhook);
      const refused = await eventually(async () => {
        const finished = await deploy(bench, "--wait=false");
        return finished.exitCode === 0 ? undefined : finished;
      });
      expect(refused.stderr).toMatch(/Service (s0|chain-link-service-0): .*failed calling webhook/);
      expect(refused.stderr).toContain(name);
    }, 60_000);

    test("deploy lists as many objects as it reports as not ready", async () => {
      const bench = await open("unready");
      const text = shape(bench).map((file) =>
        bench.topology(readText(file).replaceAll("replicas: 0", "replicas: 1")),
      );
      const failed = await bench.run("deploy", ...text, ...IMAGE, ...ELSEWHERE, "--timeout", "4s");
      const [, unready, all] = /(\d+) of (\d+) objects are not ready/.exec(failed.stderr) ?? [];
      expect(Number(unready)).toBeGreaterThan(3);
      expect(Number(all)).toBeGreaterThan(Number(unready));
      const named = [...failed.stderr.matchAll(/\b(Deployment|Service|Pod) [a-z0-9-]+(?=[:,\n])/g)].map(
        ([it]) => it,
      );
      expect(new Set(named).size).toBe(Number(unready));
    }, 60_000);
  });
});

const PROBE_SERVICE = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "probe" },
  spec: { ports: [{ port: 80 }] },
};

function readText(file: string): string {
  return readFileSync(file, "utf8");
}
