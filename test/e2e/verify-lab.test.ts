import { afterAll, beforeAll, expect, test } from "bun:test";
import { eventually, temporaryFolder } from "../helpers/cli.ts";
import { createDeployer, documentedRules } from "../helpers/deployer.ts";
import { describeLab } from "../helpers/describe-lab.ts";
import { buildLabImage } from "../helpers/image.ts";
import { LAB_START_MS } from "../helpers/lab.ts";
import { readPrometheusText, type Sample } from "../helpers/prometheus-text.ts";
import { ReleaseBench } from "../helpers/release.ts";

/** Pods take seconds to start and end, and the machine may be busy. */
const STEP_MS = 300_000;
const NAMESPACE = "verify-lab";

describeLab("a release is verified in its cluster", (lab) => {
  const folder = temporaryFolder();
  let image: string;
  let bench: ReleaseBench;

  beforeAll(async () => {
    image = await buildLabImage();
    await lab.kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s"]);
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE, labels } };
    await lab.kubectl(["create", "-f", "-"], { input: JSON.stringify(namespace) });
    bench = new ReleaseBench(lab, NAMESPACE, await createDeployer(lab, NAMESPACE, folder.path));
  }, STEP_MS);

  afterAll(async () => {
    await bench?.removeNamespace("--wait=false");
    bench?.[Symbol.dispose]();
    folder[Symbol.dispose]();
  }, LAB_START_MS);

  const deploy = (...more: readonly string[]) =>
    bench.run(
      ...["deploy", "--instances", "3", "--slow", "off", "--sleep-time", "1", "--yes", "--timeout", "4m"],
      ...["--chain-link-image", image, "--network-policy", "edges", ...more],
    );
  const verify = (...args: readonly string[]) => verifyAs(bench.kubeconfig, ...args);
  const verifyAs = (kubeconfig: string, ...args: readonly string[]) =>
    new ReleaseBench(lab, NAMESPACE, kubeconfig).runPlain("verify", "--release", "chain-link", ...args);

  test(
    "the canary is ready after complete traces, and has metrics for Prometheus",
    async () => {
      const { exitCode, stderr } = await deploy("--canary");
      expect(stderr).toContain("is deployed and ready");
      expect(stderr).not.toContain("PodSecurity");
      expect(exitCode).toBe(0);
      const samples = await scrapeCanary();
      expect(sampleOf(samples, "up")).toBe(1);
      expect(sampleOf(samples, "traces_total", { class: "complete" })).toBeGreaterThan(0);
      expect(sampleOf(samples, "spans_missing_total")).toBeUndefined();
    },
    STEP_MS,
  );

  test(
    "requests that a Pod sends are complete, and the Pod is removed",
    async () => {
      const { exitCode, stdout, stderr } = await verify("--rate", "50/s", "--requests", "100", "-o", "json");
      expect(stderr).toBe("");
      expect(JSON.parse(stdout)).toMatchObject({
        outcome: "complete",
        requests: 100,
        spans: { expected: 500, missing: 0 },
        calls: ["chain-link-service-0 > chain-link-service-1", "chain-link-service-1 > chain-link-service-2"],
      });
      expect(exitCode).toBe(0);
      const left = await eventually(async () => {
        const pods = await verifyPods();
        return pods.every(({ metadata }) => metadata.deletionTimestamp !== undefined) ? pods : undefined;
      });
      expect(left.length).toBeLessThanOrEqual(1);
    },
    STEP_MS,
  );

  test(
    "the load generator's run is judged by its Pod's name or by its ID; any other run is unknown",
    async () => {
      // Requests that were sent before all links were up got no answer. Wait until they are outside the window.
      const judged = await eventually(async () => {
        const result = await verify("--run", "loadgenerator", "--since", "5s", "-o", "json");
        return result.exitCode === 0 ? result : undefined;
      }, 60_000);
      const { run, outcome } = JSON.parse(judged.stdout);
      expect(outcome).toBe("complete");
      expect((await verify("--run", run, "--since", "5s")).stdout).toStartWith("complete: ");
      const unknown = await verify("--run", "0123456789abcdef");
      expect(unknown.exitCode).toBe(3);
      expect(unknown.stderr).toContain(`loadgenerator has ${run}`);
    },
    STEP_MS,
  );

  test(
    "missing rights and missing objects are reported with exit code 3",
    async () => {
      const rules = documentedRules().filter(({ resources }) => !resources.includes("services/proxy"));
      const poor = await createDeployer(lab, NAMESPACE, folder.path, { name: "poor", rules });
      const refused = await verifyAs(poor, "--run", "loadgenerator");
      expect(refused.stderr).toContain("pods/proxy");
      expect(refused.exitCode).toBe(3);
      const nobody = await bench.runPlain("verify", "--release", "nobody");
      expect(nobody.stderr).toContain('there is no release "nobody"');
      expect(nobody.exitCode).toBe(3);
    },
    STEP_MS,
  );

  test(
    "both name a link whose spans a wrong backend rejects, with that reason",
    async () => {
      const wrong = "CHAIN_LINK_ZIPKIN=http://chain-link-service-0";
      const deployment = "deployment/chain-link-deployment-1";
      await lab.kubectl(["set", "env", deployment, wrong, "-n", NAMESPACE]);
      await lab.kubectl(["rollout", "status", deployment, "-n", NAMESPACE, "--timeout=120s"]);
      // The old pod keeps serving for a while.
      await eventually(async () => {
        const { items } = await lab.query("get", "pods", "-n", NAMESPACE);
        const names = items.map(({ metadata }: { metadata: { name: string } }) => metadata.name);
        return (
          names.filter((name: string) => name.startsWith("chain-link-deployment-1-")).length === 1 ||
          undefined
        );
      }, 60_000);
      const { exitCode, stdout } = await verify(
        ...["--rate", "10/s", "--requests", "20", "--max-wait", "10s", "-o", "json"],
      );
      expect(JSON.parse(stdout)).toMatchObject({
        outcome: "incomplete",
        links: { "chain-link-service-1": { server: 20, client: 20 } },
        losses: [{ link: "chain-link-service-1", reason: "rejected", spans: 40 }],
      });
      expect(exitCode).toBe(1);
      const missing = await eventually(async () => {
        const samples = await scrapeCanary();
        const labels = { link: "chain-link-service-1", reason: "rejected" };
        return sampleOf(samples, "spans_missing_total", labels);
      }, 120_000);
      expect(missing).toBeGreaterThan(0);
      await lab.kubectl(["set", "env", deployment, "CHAIN_LINK_ZIPKIN-", "-n", NAMESPACE]);
    },
    STEP_MS,
  );

  test(
    "a missing backend ends with exit code 3",
    async () => {
      await lab.kubectl(["scale", "deployment/zipkin-deployment", "--replicas=0", "-n", NAMESPACE]);
      const { exitCode, stderr } = await verify("--requests", "1", "--max-wait", "1s");
      expect(stderr).toContain("no endpoints available");
      expect(exitCode).toBe(3);
    },
    STEP_MS,
  );

  test(
    "the next deploy without it removes the canary, and delete removes the Pod of a killed process",
    async () => {
      const { exitCode } = await deploy("--wait=false");
      expect(exitCode).toBe(0);
      expect((await bench.list()).filter((name) => name.includes("canary"))).toEqual([]);
      const args = ["verify", "--release", "chain-link", "--duration", "10m"];
      const killed = bench.spawnPlain(...args);
      await eventually(async () => ((await verifyPods()).length > 0 ? true : undefined), 60_000);
      killed.kill("SIGKILL");
      await killed.exited;
      expect((await bench.run("delete", "--yes", "--timeout", "4m")).exitCode).toBe(0);
      await eventually(async () => ((await verifyPods()).length === 0 ? true : undefined), 60_000);
      expect(await bench.list()).toEqual([]);
    },
    STEP_MS,
  );

  async function verifyPods(): Promise<readonly { metadata: { deletionTimestamp?: string } }[]> {
    return (await lab.query("get", "pods", "-n", NAMESPACE, "-l", "chain-link.dev/verify=chain-link")).items;
  }

  async function scrapeCanary(): Promise<readonly Sample[]> {
    const selector = [
      "-l",
      "app.kubernetes.io/name=chain-link-canary",
      "--field-selector=status.phase=Running",
    ];
    const { items } = await lab.query("get", "pods", "-n", NAMESPACE, ...selector);
    const path = `/api/v1/namespaces/${NAMESPACE}/pods/${items[0].metadata.name}:8080/proxy/metrics`;
    const metrics = readPrometheusText((await lab.kubectl(["get", "--raw", path])).stdout);
    return [...metrics.values()].flatMap(({ samples }) => samples);
  }
});

function sampleOf(
  samples: readonly Sample[],
  name: string,
  wanted: Readonly<Record<string, string>> = {},
): number | undefined {
  return samples.find(
    (sample) =>
      sample.name === `chain_link_verify_${name}` &&
      Object.entries(wanted).every(([key, value]) => sample.labels[key] === value),
  )?.value;
}
