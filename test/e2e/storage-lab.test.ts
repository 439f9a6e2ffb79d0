import { afterAll, beforeAll, expect, test } from "bun:test";
import { eventually, temporaryFolder } from "../helpers/cli.ts";
import { describeLab } from "../helpers/describe-lab.ts";
import { buildLabImage } from "../helpers/image.ts";
import { LAB_START_MS } from "../helpers/lab.ts";
import { ReleaseBench } from "../helpers/release.ts";

/** Pods take seconds to start and end, and the machine may be busy. */
const STEP_MS = 300_000;

describeLab("the collector's volume", (lab) => {
  const namespace = `storage-${process.pid}`;
  /** The cluster provisions no volumes, so the test's volume has its own class. */
  const storageClass = `storage-${process.pid}`;
  const storage = ["--collector-storage", "64Mi", "--collector-storage-class", storageClass];
  const folder = temporaryFolder();
  let bench: ReleaseBench;
  let image: string;
  let traceId: string;

  beforeAll(async () => {
    image = await buildLabImage();
    bench = new ReleaseBench(lab, namespace);
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    await create({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, labels } });
    await create(localVolume(storageClass, folder.path));
  }, STEP_MS);

  afterAll(async () => {
    await bench.removeNamespace("--wait=false");
    await lab.kubectl(["delete", "persistentvolume", storageClass, "--wait=false", "--ignore-not-found"]);
    bench[Symbol.dispose]();
    folder[Symbol.dispose]();
  }, LAB_START_MS);

  test(
    "an upgrade adds the volume to a release that kept its spans in memory",
    async () => {
      expect((await deploy()).stderr).toContain("is deployed and ready");
      const { stderr, exitCode } = await deploy(...storage);
      expect(stderr).toContain("is deployed and ready");
      expect(exitCode).toBe(0);
      expect(await listClaims()).toEqual(["collector-storage Bound"]);
    },
    2 * STEP_MS,
  );

  test(
    "a deploy without a change sends nothing",
    async () => {
      expect((await deploy(...storage)).stderr).toContain("Nothing to change");
      const { stderr, exitCode } = await bench.run("validate");
      expect(stderr).toContain("All objects ready");
      expect(exitCode).toBe(0);
    },
    STEP_MS,
  );

  test(
    "the volume keeps its spans when the pod is replaced",
    async () => {
      traceId = await eventually(async () => {
        const traces: { traceId: string }[][] = JSON.parse(await readCollector("traces?limit=10"));
        return traces.find((trace) => trace.length === 3)?.[0]?.traceId;
      }, STEP_MS / 2);
      const before = await findCollectorPod();
      await lab.kubectl(["delete", "pod", before, "-n", namespace, "--timeout=120s"]);
      await lab.kubectl([
        "rollout",
        "status",
        "-n",
        namespace,
        "deployment/zipkin-deployment",
        "--timeout=120s",
      ]);
      expect(await findCollectorPod()).not.toBe(before);
      await expectTrace();
    },
    STEP_MS,
  );

  test(
    "the volume survives a delete and serves the next release of the same name",
    async () => {
      const { stderr, exitCode } = await bench.run("delete", "--yes", "--timeout", "4m");
      expect(stderr).toContain("PersistentVolumeClaim 'collector-storage' was kept");
      expect(exitCode).toBe(0);
      expect(await bench.list()).toEqual([]);
      expect(await listClaims()).toEqual(["collector-storage Bound"]);
      expect((await deploy(...storage)).stderr).toContain("is deployed and ready");
      await expectTrace();
    },
    2 * STEP_MS,
  );

  test(
    "the volume survives a deploy that does not ask for it, and is removed on request",
    async () => {
      expect((await deploy()).stderr).toContain("is deployed and ready");
      expect(await listClaims()).toEqual(["collector-storage Bound"]);
      const { exitCode } = await bench.run("delete", "--yes", "--delete-storage", "--timeout", "4m");
      expect(exitCode).toBe(0);
      expect(await listClaims()).toEqual([]);
    },
    2 * STEP_MS,
  );

  function deploy(...more: readonly string[]) {
    const chain = ["--instances", "2", "--slow", "off", "--sleep-time", "1", "--chain-link-image", image];
    return bench.run("deploy", ...chain, "--collector", "embedded", "--timeout", "4m", ...more);
  }

  async function create(object: object): Promise<void> {
    await lab.kubectl(["create", "-f", "-"], { input: JSON.stringify(object) });
  }

  async function listClaims(): Promise<string[]> {
    const { items } = await lab.query("get", "persistentvolumeclaims", "-n", namespace);
    return items.map(
      ({ metadata, status }: { metadata: { name: string }; status: { phase: string } }) =>
        `${metadata.name} ${status.phase}`,
    );
  }

  async function findCollectorPod(): Promise<string> {
    const { items } = await lab.query("get", "pods", "-n", namespace, "-l", "instance=zipkin");
    return items[0]?.metadata.name;
  }

  async function readCollector(query: string): Promise<string> {
    const url = `/api/v1/namespaces/${namespace}/services/zipkin-service:80/proxy/api/v2/${query}`;
    return (await lab.kubectl(["get", "--raw", url], { mayFail: true })).stdout || "[]";
  }

  async function expectTrace(): Promise<void> {
    const spans = await eventually(async () => {
      const found: unknown[] = JSON.parse(await readCollector(`trace/${traceId}`));
      return found.length > 0 ? found : undefined;
    }, STEP_MS / 4);
    expect(spans).toHaveLength(3);
  }
});

/** Returns a volume on a folder of the node: https://kubernetes.io/docs/concepts/storage/volumes/#local */
function localVolume(name: string, path: string): object {
  const values = ["linux"];
  return {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name },
    spec: {
      accessModes: ["ReadWriteOnce"],
      capacity: { storage: "64Mi" },
      local: { path },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/os", operator: "In", values }] }],
        },
      },
      persistentVolumeReclaimPolicy: "Retain",
      storageClassName: name,
    },
  };
}
