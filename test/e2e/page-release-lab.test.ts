import { afterAll, beforeAll, expect, test } from "bun:test";
import type { LiveSecond } from "../../src/contract/live.ts";
import type { TopologyAnswer } from "../../src/contract/topology-answer.ts";
import type { TraceSummary } from "../../src/contract/trace-summary.ts";
import { EXECUTABLE, eventually, temporaryFolder } from "../helpers/cli.ts";
import { createDeployer } from "../helpers/deployer.ts";
import { describeLab } from "../helpers/describe-lab.ts";
import { buildLabImage } from "../helpers/image.ts";
import { LAB_START_MS } from "../helpers/lab.ts";
import { ReleaseBench } from "../helpers/release.ts";

const STEP_MS = 300_000;
const NAMESPACE = "page-lab";

describeLab("the page of a release", (lab) => {
  const folder = temporaryFolder();
  let bench: ReleaseBench;

  beforeAll(async () => {
    await lab.kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s"]);
    await lab.kubectl(["create", "namespace", NAMESPACE]);
    bench = new ReleaseBench(lab, NAMESPACE, await createDeployer(lab, NAMESPACE, folder.path));
  }, STEP_MS);

  afterAll(async () => {
    await bench?.removeNamespace("--wait=false");
    bench?.[Symbol.dispose]();
    folder[Symbol.dispose]();
  }, LAB_START_MS);

  test.each(["embedded", "zipkin"])(
    "the page shows the graph, traces and numbers (%s) through the API server with the deployer's rights, and changes nothing",
    async (collector) => {
      const { exitCode } = await bench.run(
        ...["deploy", "--instances", "3", "--slow", "off", "--sleep-time", "1", "--yes", "--timeout", "4m"],
        ...["--chain-link-image", await buildLabImage(), "--collector", collector],
      );
      expect(exitCode).toBe(0);
      const page = Bun.spawn(
        [EXECUTABLE, "page", "--port", "0", "-n", NAMESPACE, "--kubeconfig", bench.kubeconfig],
        { stdio: ["ignore", "ignore", "pipe"] },
      );
      try {
        const url = await readAddress(page.stderr);
        const topology = (await (await fetch(`${url}/api/topology`)).json()) as TopologyAnswer;
        expect(topology.entry).toBe("chain-link-service-0");
        expect(topology.services).toHaveLength(3);
        const traces = await eventually(async () => {
          const answer = await (await fetch(`${url}/page/traces?limit=5`)).json();
          const { traces: found } = answer as { traces: TraceSummary[] };
          return found.some(({ spanCount }) => spanCount === 5) ? found : undefined;
        });
        const whole = traces.find(({ spanCount }) => spanCount === 5);
        const trace = await fetch(`${url}/api/v2/trace/${whole?.traceId}`);
        expect(await trace.json()).toHaveLength(5);
        expect(await readHistory(`${url}/api/live`)).toBeArray();
        const html = await (await fetch(url)).text();
        expect(html).toContain(`release chain-link in namespace ${NAMESPACE}, through the API server`);
        expect((await fetch(`${url}/api/v2/spans`, { method: "POST", body: "[]" })).status).toBe(405);
        expect((await fetch(url, { headers: { Origin: "http://evil.example" } })).status).toBe(403);
      } finally {
        page.kill();
        await page.exited;
      }
    },
    STEP_MS,
  );
});

async function readAddress(stderr: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const bytes of stderr) {
    text += new TextDecoder().decode(bytes);
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(text) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error(`the page did not start: ${text}`);
}

/** Returns the first event of the stream. */
async function readHistory(url: string): Promise<readonly LiveSecond[]> {
  const response = await fetch(url);
  let text = "";
  for await (const bytes of response.body ?? []) {
    text += new TextDecoder().decode(bytes);
    const data = /event: history\ndata: (.*)\n\n/.exec(text)?.[1];
    if (data !== undefined) return JSON.parse(data) as LiveSecond[];
  }
  throw new Error(`no history in ${text}`);
}
