import { expect, test } from "bun:test";
import { join } from "node:path";
import { runCli, temporaryFolder } from "../helpers/cli.ts";
import { hasZipkin, startZipkin } from "../helpers/zipkin-server.ts";

/** Some two minutes in all; `VERIFY_LONG_REQUESTS=100000` sends as many to Zipkin. */
const REQUESTS = Number(process.env.VERIFY_LONG_REQUESTS ?? 100_000);
const ZIPKIN_REQUESTS = Number(process.env.VERIFY_LONG_REQUESTS ?? 20_000);
const TIMEOUT_MS = 900_000;

/** Fan-out, retries, 1 % error answers: some 7 spans a request. */
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
  const load = ["--rate", "1500/s", "--requests", String(requests)];
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
  "a long run over a tree with fan-out, retries and errors is all complete on the collector",
  () => prove(REQUESTS, []),
  TIMEOUT_MS,
);

test.skipIf(!hasZipkin)(
  "and on a real Zipkin",
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
