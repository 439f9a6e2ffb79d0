/**
 * Reconciles a long run with the embedded collector.
 *
 *     bun bench/verify.ts [--requests 1000000] [--write]
 *
 * - Scenario: `chain-link collector --data FILE`, in its own process, receives the 9 spans of each request of a
 *   chain of 5, except for 100 spans that are left out. Then `chain-link verify --run LEDGER --backend
 *   collector=URL`, in another process, judges the run.
 * - Metrics: wall time of verify from start to end, and its peak memory. Sending the spans is not timed. Needs
 *   about 120 bytes of disk per span in the temporary folder.
 * - Asserted first: exactly the spans that were left out are missing, by link and kind; all other traces are
 *   complete.
 * - `--write` updates docs/performance.md and bench/README.md.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { RunLedgerWriter } from "../src/load/run-ledger-writer.ts";
import { newSpanId } from "../src/trace/ids.ts";
import { newRunId, RunIds } from "../src/trace/run.ts";
import { ledgerOf } from "../src/verify/judge/digest.ts";
import { describeMachine, renderTable, writePages } from "./page.ts";
import { EXECUTABLE, readMemory } from "./process.ts";

const { values: options } = parseArgs({
  options: {
    requests: { type: "string", default: "1000000" },
    write: { type: "boolean", default: false },
  },
});
const REQUESTS = Number(options.requests);
const LINKS = 5;
const SPANS = 2 * LINKS - 1;
const LEFT_OUT = Math.min(100, REQUESTS);
/** Traces in one POST. */
const BATCH = 200;
const CONNECTIONS = 3;
const GOAL_SECONDS = 60;
const GOAL_MB = 500;

const folder = mkdtempSync(join(tmpdir(), "bench-verify-"));
const collector = Bun.spawn(
  [EXECUTABLE, "collector", "--port", "0", "--data", join(folder, "spans.db"), "--max-spans", "10000000"],
  { stdout: "ignore", stderr: "pipe" },
);
try {
  const url = await readUrl(collector.stderr);
  const ledger = join(folder, "run.ledger");
  const fedMs = performance.now();
  const left = await feed(url, ledger);
  const feedSeconds = (performance.now() - fedMs) / 1000;
  const { result, seconds, mb } = await judge(url, ledger);
  assert.equal(result.spans.missing, left);
  assert.equal(result.spans.unattributed, 0);
  assert.deepEqual(result.links, {
    [nameOf(LINKS - 1)]: { server: left, client: 0, altered: 0, copies: 0 },
  });
  assert.equal(result.traces.complete, REQUESTS - left);
  const word = (isMet: boolean) => (isMet ? "met" : "MISSED");
  const results = renderTable(
    ["requests", "spans", "verify, s", "memory, MB"],
    [[String(REQUESTS), String(REQUESTS * SPANS), seconds.toFixed(1), mb.toFixed(0)]],
  );
  const goals = [
    ...renderTable(
      ["verify", "found", "goal", ""],
      [
        ["time", `${seconds.toFixed(1)} s`, `under ${GOAL_SECONDS} s`, word(seconds < GOAL_SECONDS)],
        ["memory", `${mb.toFixed(0)} MB`, `under ${GOAL_MB} MB`, word(mb < GOAL_MB)],
      ],
    ),
    "",
    `- ${REQUESTS} requests, ${REQUESTS * SPANS} spans.`,
    `- ${left} spans left out, exactly those found. Collector: ${(readMemory(collector.pid, "VmHWM") / 1e6).toFixed(0)} MB, ${feedSeconds.toFixed(0)} s to ingest the spans.`,
    `- ${describeMachine()}`,
  ];
  console.log([...results, "", ...goals].join("\n"));
  if (options.write) writePages("bench:verify", results, goals);
} finally {
  collector.kill("SIGKILL");
  await collector.exited;
  rmSync(folder, { recursive: true });
}

async function readUrl(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stream) {
    text += new TextDecoder().decode(chunk);
    const [, url] = /listening on (\S+)\n/.exec(text) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error(`the collector ended: ${text}`);
}

function nameOf(link: number): string {
  return `chain-link-service-${link}`;
}

/** Sends all spans except some and writes the run's ledger. Returns how many spans it left out. */
async function feed(url: string, ledgerFile: string): Promise<number> {
  const ids = new RunIds(newRunId());
  const header = { run: ids.runId, startMs: Date.now(), url: "http://localhost" };
  const writer = new RunLedgerWriter({ header, file: ledgerFile, isKept: false });
  let left = 0;
  let next = 0;
  const connection = async () => {
    while (next < REQUESTS) {
      const from = next;
      next = Math.min(REQUESTS, from + BATCH);
      const traces: string[] = [];
      for (let sequence = from; sequence < next; sequence++) {
        const { spans, ledger } = makeTrace(ids.traceId(sequence));
        writer.add({ sequence, endMs: sequence, status: 200, ledger, isSampled: true, isBroken: false });
        // The last link's span.
        if (sequence % Math.floor(REQUESTS / LEFT_OUT) === 0 && left < LEFT_OUT) {
          spans.pop();
          left++;
        }
        traces.push(...spans);
      }
      const response = await fetch(`${url}/api/v2/spans`, { method: "POST", body: `[${traces.join(",")}]` });
      assert.equal(response.status, 202);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  writer.end();
  writer.close();
  return left;
}

/** Makes the spans of a request as JSON, and its ledger. */
function makeTrace(traceId: string) {
  const spans: string[] = [];
  const accounted: Parameters<typeof ledgerOf>[0] extends Iterable<infer T> ? T[] : never = [];
  let parentId: string | null = null;
  const startUs = Date.now() * 1000;
  for (let hop = 0; hop < SPANS; hop++) {
    const isServer = hop % 2 === 0;
    const serviceName = nameOf(Math.floor(hop / 2));
    const callee = nameOf(Math.floor(hop / 2) + 1);
    const kind = isServer ? "SERVER" : "CLIENT";
    const id = newSpanId();
    spans.push(
      `{"traceId":"${traceId}","id":"${id}",${parentId === null ? "" : `"parentId":"${parentId}",`}"kind":"${kind}",` +
        `"name":"${isServer ? "get /forward" : "get"}","timestamp":${startUs + hop},"duration":${100 + hop},` +
        `"localEndpoint":{"serviceName":"${serviceName}"},${isServer ? "" : `"remoteEndpoint":{"serviceName":"${callee}"},`}` +
        `"tags":{"http.status_code":"200","http.request.method":"GET"}}`,
    );
    accounted.push({ id, parentId, kind, serviceName });
    parentId = id;
  }
  return { spans, ledger: ledgerOf(accounted) };
}

async function judge(url: string, ledger: string) {
  const startMs = performance.now();
  const child = Bun.spawn(
    [
      EXECUTABLE,
      "verify",
      "--run",
      ledger,
      "--backend",
      `collector=${url}`,
      "--max-wait",
      "1s",
      "-o",
      "json",
    ],
    { stdout: "pipe" },
  );
  const result = JSON.parse(await child.stdout.text());
  await child.exited;
  const seconds = (performance.now() - startMs) / 1000;
  return { result, seconds, mb: Number(child.resourceUsage()?.maxRSS ?? 0) / 1e6 };
}
