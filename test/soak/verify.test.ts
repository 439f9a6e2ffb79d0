import { expect, test } from "bun:test";
import { join } from "node:path";
import { EXECUTABLE, runCli, temporaryFolder } from "../helpers/cli.ts";
import { hasZipkin, startZipkin } from "../helpers/zipkin-server.ts";

/**
 * Takes about two and a half minutes, at a rate that two busy processors can sustain. `VERIFY_LONG_REQUESTS=100000`
 * sends that many requests with Zipkin.
 */
const REQUESTS = Number(process.env.VERIFY_LONG_REQUESTS ?? 100_000);
const ZIPKIN_REQUESTS = Number(process.env.VERIFY_LONG_REQUESTS ?? 20_000);
/** Raise this for a longer soak: `VERIFY_SOAK_SECONDS=3600`. */
const SOAK_SECONDS = Number(process.env.VERIFY_SOAK_SECONDS ?? 60);
const TIMEOUT_MS = 900_000;

/** Fan-out, retries and 1 % error answers: about 7 spans per request. */
const TREE = `apiVersion: chain-link.dev/v1
kind: Topology
metadata: { name: tree }
services:
  front: { entry: true, calls: [catalog, [{ service: ads, retries: 2 }, { service: mail, probability: 30% }]] }
  catalog: { errors: 1% }
  ads: { errors: { rate: 1%, status: 503 } }
  mail: {}
`;

interface Result {
  readonly outcome: string;
  readonly requests: number;
  readonly traces: Readonly<Record<string, number>>;
  readonly spans: Readonly<Record<string, number>>;
  readonly losses: readonly object[];
}

async function prove(requests: number, args: readonly string[]): Promise<void> {
  using folder = temporaryFolder();
  const file = join(folder.path, "tree.yaml");
  await Bun.write(file, TREE);
  const load = ["--rate", "1000/s", "--requests", String(requests)];
  const { exitCode, stdout, stderr } = await runCli(["verify", file, ...load, "-o", "json", ...args]);
  expect(stdout).not.toBe("");
  const result: Result = JSON.parse(stdout);
  const good = { outcome: "complete", requests, losses: [] };
  expect({ ...result, stderr }).toMatchObject({
    ...good,
    spans: { missing: 0, unattributed: 0, altered: 0, copies: 0, unexpected: 0, foreign: 0 },
  });
  expect(result.traces).toMatchObject({ complete: requests });
  expect(result.spans.expected).toBeGreaterThan(4 * requests);
  expect(exitCode).toBe(0);
}

test(
  "every trace of a long run over a tree with fan-out, retries and errors is complete in the collector",
  () => prove(REQUESTS, []),
  TIMEOUT_MS,
);

test.skipIf(!hasZipkin)(
  "every trace of such a run is complete in a real Zipkin",
  async () => {
    const zipkin = await startZipkin({ maxSpans: 10 * ZIPKIN_REQUESTS, heapMegabytes: 3000 });
    try {
      await prove(ZIPKIN_REQUESTS, ["--zipkin", zipkin.url]);
    } finally {
      await zipkin.stop();
    }
  },
  TIMEOUT_MS,
);

test(
  "a soak of the canary raises no alarm that the links' counters do not confirm",
  async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "tree.yaml");
    await Bun.write(file, TREE);
    const child = Bun.spawn(
      [EXECUTABLE, "verify", "--forever", file, "--rate", "500/s", "--query-rate", "100", "-o", "json"],
      { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    );
    await Bun.sleep(SOAK_SECONDS * 1000);
    child.kill("SIGTERM");
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    const result = JSON.parse(stdout);
    // Links report lost spans when they stop. Nobody judges the last requests.
    const [, dropped = "0"] = /(\d+) dropped/.exec(stderr) ?? [];
    const { missing } = result.spans;
    expect(missing).toBeLessThanOrEqual(Number(dropped));
    expect({ ...result, stderr }).toMatchObject({
      outcome: missing === 0 ? "complete" : "incomplete",
      spans: { altered: 0, copies: 0, unexpected: 0 },
      brokenContexts: {},
      windows: { "could-not-tell": 0 },
    });
    expect(result.requests).toBeGreaterThan(0);
    expect(await child.exited).toBe(missing === 0 ? 0 : 1);
  },
  TIMEOUT_MS + SOAK_SECONDS * 1000,
);
