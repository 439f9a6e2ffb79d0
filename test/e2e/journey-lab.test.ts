import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { VERSION } from "../../src/lib/version.ts";
import type { Span } from "../../src/trace/span.ts";
import { eventually, temporaryFolder } from "../helpers/cli.ts";
import { createDeployer } from "../helpers/deployer.ts";
import { describeLab } from "../helpers/describe-lab.ts";
import { buildLabImage } from "../helpers/image.ts";
import { LAB_START_MS } from "../helpers/lab.ts";
import { ReleaseBench } from "../helpers/release.ts";
import { expectChainTrace } from "../helpers/trace.ts";

/** Pods take seconds to start and end, and the machine may be busy. */
const STEP_MS = 300_000;
const WAIT = ["--timeout", "4m"];

describeLab("our image in pods", (lab) => {
  let image: string;
  const folder = temporaryFolder();
  const namespaces: ReleaseBench[] = [];

  beforeAll(async () => {
    image = await buildLabImage();
  }, STEP_MS);

  afterAll(async () => {
    for (const bench of namespaces) {
      await bench.removeNamespace("--wait=false");
      bench[Symbol.dispose]();
    }
    folder[Symbol.dispose]();
  }, LAB_START_MS);

  describe("the whole journey, under the profile restricted, with the rights of the documented Role", () => {
    const chain = (links: number) => ["--instances", String(links), "--slow", "off", "--sleep-time", "1"];
    const deploy = (links: number, ...more: readonly string[]) =>
      bench.run("deploy", ...chain(links), "--chain-link-image", image, ...WAIT, ...more);
    let bench: ReleaseBench;

    beforeAll(async () => {
      const namespace = await createNamespace("journey");
      bench = open(namespace, await createDeployer(lab, namespace, folder.path));
    }, STEP_MS);

    test(
      "deploy creates 6 links, and all become ready",
      async () => {
        const { exitCode, stderr } = await deploy(6);
        expect(stderr).toContain("is deployed and ready");
        expect(stderr).not.toContain("PodSecurity");
        expect(exitCode).toBe(0);
      },
      STEP_MS,
    );

    test(
      "validate finds all objects ready",
      async () => {
        const { exitCode, stderr } = await bench.run("validate");
        expect(stderr).toEndWith("All objects ready\n");
        expect(exitCode).toBe(0);
      },
      STEP_MS,
    );

    test(
      "the load generator's requests leave complete traces in the deployed Zipkin",
      async () => {
        expectChainTrace(await findTrace(6), 6);
      },
      STEP_MS,
    );

    test(
      "a deploy of 9 links adds 3 and rolls out the others with the new list",
      async () => {
        const { stdout, stderr } = await deploy(9, "-o", "json");
        expect(stderr).toContain("is deployed and ready");
        expect(JSON.parse(stdout)).toMatchObject({
          revision: 2,
          created: 6,
          updated: 7,
          unchanged: 9,
          deleted: 0,
        });
        expectChainTrace(await findTrace(9), 9);
      },
      STEP_MS,
    );

    test(
      "a deploy of 4 links removes 5",
      async () => {
        const { stdout } = await deploy(4, "-o", "json");
        expect(JSON.parse(stdout)).toMatchObject({ revision: 3, created: 0, updated: 5, deleted: 10 });
        const names = await bench.list();
        expect(names.filter((name) => name.startsWith("Deployment/chain-link-deployment-"))).toHaveLength(4);
        expectChainTrace(await findTrace(4), 4);
      },
      STEP_MS,
    );

    test(
      "a deploy with a missing image fails with the reason, and the running links continue",
      async () => {
        const bad = await bench.run(
          ...["deploy", ...chain(4), "--chain-link-image", `${image}-absent`],
          ...["--timeout", "20s", "--rollback-on-failure"],
        );
        expect(bad.exitCode).toBe(1);
        expect(bad.stderr).toMatch(/ErrImagePull|ImagePullBackOff/);
        expect(bad.stderr).toContain("Rolled back to revision 3");
        await eventually(
          async () => ((await bench.run("validate")).exitCode === 0 ? true : undefined),
          STEP_MS / 2,
        );
      },
      STEP_MS,
    );

    test(
      "rollback brings back 6 links",
      async () => {
        const { exitCode, stderr } = await bench.run("rollback", "1", ...WAIT);
        expect(stderr).toContain("is deployed and ready");
        expect(exitCode).toBe(0);
        expectChainTrace(await findTrace(6), 6);
      },
      STEP_MS,
    );

    test(
      "delete leaves nothing but the namespace",
      async () => {
        const { exitCode } = await bench.run("delete", "--yes");
        expect(exitCode).toBe(0);
        expect(await bench.list()).toEqual([]);
        await lab.kubectl(["get", "namespace", bench.namespace]);
      },
      STEP_MS,
    );

    /** Resolves to a trace that began after this call, once the deployed Zipkin has all of it. */
    function findTrace(links: number): Promise<Span[]> {
      const fromUs = Date.now() * 1000;
      return eventually(async () => {
        const query = "api/v2/traces?serviceName=chain-link-service-0&limit=100";
        const traces: Span[][] = JSON.parse(await readService(bench.namespace, "zipkin-service", query));
        return traces.find(
          (spans) => spans.length === 2 * links - 1 && spans.every(({ timestamp = 0 }) => timestamp > fromUs),
        );
      }, STEP_MS / 2);
    }
  });

  describe("pods that are replaced under load", () => {
    const TOPOLOGY = [
      "apiVersion: chain-link.dev/v1",
      "kind: Topology",
      "services:",
      "  front: { entry: true, calls: [middle] }",
      "  middle: { calls: [back] }",
      "  back: { response: 4KiB, latency: 20ms }",
    ].join("\n");
    const DEPLOYMENTS = ["deployment/front", "deployment/middle", "deployment/back"];
    let bench: ReleaseBench;

    beforeAll(async () => {
      bench = open(await createNamespace("restart"));
      const file = bench.topology(TOPOLOGY);
      const { stderr } = await bench.run(
        "deploy",
        file,
        ...WAIT,
        ...["--network-policy", "edges", "--collector", "embedded"],
        "--chain-link-image",
        image,
      );
      expect(stderr).toContain("is deployed and ready");
    }, STEP_MS);

    test(
      "a service's pod behaves as its topology says",
      async () => {
        // kube-proxy learns of ready endpoints with a delay; until then connections to the next link are refused.
        const answer = await eventually(
          () => readService(bench.namespace, "front", "").catch(() => undefined),
          STEP_MS / 2,
        );
        expect(answer.length).toBe(4096);
      },
      STEP_MS,
    );

    test(
      "our collector receives the traces in place of Zipkin",
      async () => {
        const spans = await eventually(async () => {
          const query = "api/v2/traces?serviceName=front&limit=10";
          const traces: Span[][] = JSON.parse(await readService(bench.namespace, "zipkin-service", query));
          return traces.find((trace) => trace.length === 5);
        }, STEP_MS / 2);
        const services = new Set(spans.map(({ localEndpoint }) => localEndpoint?.serviceName));
        expect(services).toEqual(new Set(["front", "middle", "back"]));
      },
      STEP_MS,
    );

    test(
      "a steady load loses no request when all links restart",
      async () => {
        const summary = await eventually(() => restartUnderLoad(30), STEP_MS / 2);
        expect(summary).toMatchObject({ failed: 0, failures: {} });
        expect(summary.requests).toBeGreaterThan(100);
      },
      STEP_MS,
    );

    test(
      "requests are lost when links stop while they are still called, so the test above can fail",
      async () => {
        const place = ["-n", bench.namespace];
        await lab.kubectl(["set", "env", ...place, ...DEPLOYMENTS, "CHAIN_LINK_DRAIN=0s"]);
        await waitForRollout();
        // kube-proxy and the next request would race, so pods that end stay endpoints of their Services.
        const patch = JSON.stringify({ spec: { publishNotReadyAddresses: true } });
        for (const name of ["front", "middle", "back"]) {
          await lab.kubectl(["patch", "service", name, ...place, "--type=merge", "-p", patch]);
        }
        await eventually(async () => {
          const summary = await restartUnderLoad(200);
          return summary !== undefined && summary.failed > 0 ? true : undefined;
        }, STEP_MS / 2);
      },
      STEP_MS,
    );

    /** Replaces every pod under load. Returns the load generator's counts, or nothing if its log was cut. */
    async function restartUnderLoad(
      perSecond: number,
    ): Promise<{ requests: number; failed: number } | undefined> {
      const place = ["-n", bench.namespace];
      const load = loadPod(image, ["load", "http://front", "--rate", `${perSecond}/s`, "-o", "json"]);
      await lab.kubectl(["create", ...place, "-f", "-"], { input: JSON.stringify(load) });
      await lab.kubectl(["wait", ...place, "--for=condition=Ready", "pod/load", "--timeout=120s"]);
      const log = lab.kubectl(["logs", ...place, "-f", "load"]);
      const before = await podNames();
      await lab.kubectl(["rollout", "restart", ...place, ...DEPLOYMENTS]);
      await waitForRollout();
      // Wait until the last of the old pods has ended, too.
      await eventually(async () => {
        const names = await podNames();
        return names.length === 3 && names.every((name) => !before.includes(name)) ? true : undefined;
      }, STEP_MS / 2);
      await lab.kubectl(["delete", "pod", "load", ...place]);
      const { stdout } = await log;
      const summary = stdout.split("\n").find((line) => line.startsWith("{"));
      return summary === undefined ? undefined : JSON.parse(summary);
    }

    async function waitForRollout(): Promise<void> {
      for (const deployment of DEPLOYMENTS) {
        await lab.kubectl(["rollout", "status", "-n", bench.namespace, deployment, "--timeout=200s"]);
      }
    }

    async function podNames(): Promise<string[]> {
      const { items } = await lab.query("get", "pods", "-n", bench.namespace, "-l", "service-name");
      return items.map(({ metadata }: { metadata: { name: string } }) => metadata.name);
    }
  });

  describe("the image", () => {
    let namespace: string;

    beforeAll(async () => {
      namespace = await createNamespace("image");
    }, STEP_MS);

    test(
      "the image prints its version without rights and on a read-only root",
      async () => {
        expect(await runToEnd("version", loadPod(image, ["version"]))).toBe(`chain-link ${VERSION}\n`);
      },
      STEP_MS,
    );

    test(
      "the image runs links as processes and serves its page",
      async () => {
        const args = ["up", "--processes", "--slow", "off", "--duration", "2s", "--port", "0"];
        expect(await runToEnd("up", loadPod(image, args))).toContain("none dropped");
      },
      STEP_MS,
    );

    test(
      "the image has no shell",
      async () => {
        const pod = loadPod(image, ["-c", "true"]);
        const [container] = pod.spec.containers;
        const input = JSON.stringify({
          ...pod,
          spec: { ...pod.spec, containers: [{ ...container, command: ["sh"] }] },
        });
        await lab.kubectl(["create", "-n", namespace, "-f", "-"], { input });
        const message = await eventually(async () => {
          const { status } = await lab.query("get", "pod", "load", "-n", namespace);
          return status.containerStatuses?.[0]?.state?.terminated?.message as string | undefined;
        }, STEP_MS / 2);
        expect(message).toContain('exec: "sh": executable file not found');
      },
      STEP_MS,
    );

    /** Returns the output of a pod that has succeeded. */
    async function runToEnd(title: string, pod: ReturnType<typeof loadPod>): Promise<string> {
      const name = `run-${title}`;
      const input = JSON.stringify({ ...pod, metadata: { ...pod.metadata, name } });
      await lab.kubectl(["create", "-n", namespace, "-f", "-"], { input });
      const done = ["--for=jsonpath={.status.phase}=Succeeded", "--timeout=120s"];
      await lab.kubectl(["wait", "-n", namespace, `pod/${name}`, ...done]);
      return (await lab.kubectl(["logs", "-n", namespace, name])).stdout;
    }
  });

  /** Creates a namespace that rejects every pod that is not restricted. */
  async function createNamespace(part: string): Promise<string> {
    const name = `image-${part}-${process.pid}`;
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
    await lab.kubectl(["create", "-f", "-"], { input: JSON.stringify(namespace) });
    return name;
  }

  function open(namespace: string, kubeconfig?: string): ReleaseBench {
    const bench = new ReleaseBench(lab, namespace, kubeconfig);
    namespaces.push(bench);
    return bench;
  }

  async function readService(namespace: string, service: string, path: string): Promise<string> {
    const url = `/api/v1/namespaces/${namespace}/services/${service}:80/proxy/${path}`;
    return (await lab.kubectl(["get", "--raw", url])).stdout;
  }
});

/** Returns a restricted Pod of our image that is never restarted. */
function loadPod(image: string, args: readonly string[]) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "load" },
    spec: {
      restartPolicy: "Never",
      securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      containers: [
        {
          name: "load",
          image,
          args,
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ["ALL"] },
            readOnlyRootFilesystem: true,
          },
        },
      ],
    },
  };
}
