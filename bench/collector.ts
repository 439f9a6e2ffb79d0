/**
 * Compares the collector with a real Zipkin in memory, and measures a collector alone: one with a file and
 * 1,000,000 spans, and one that receives batches of 10 MiB.
 *
 *     npm run bench:collector -- [--only zipkin,search,pause] [--rounds 3] [--spans 500000] [--write]
 *
 * - Scenario `zipkin`: each server receives the same batches of 180 spans, as links of a chain of 5 send them,
 *   as JSON and as protobuf, on 4 connections. All servers run at the same time and receive batches in turns;
 *   the first turn does not count. Then a trace is looked up 400 times while spans arrive at half the server's
 *   best rate.
 * - Metrics: time from start until /health is UP; spans per second until they can be queried; CPU seconds per
 *   million spans; resident memory with all spans stored; p99 of the lookups. Each is the median of the rounds.
 * - Scenario `search`: finds the last 10 of 1,000,000 spans by service, tag and duration; the rarest spans are
 *   the oldest.
 * - Scenario `pause`: sends batches of 10 MiB in all formats, with and without gzip, and reports the longest
 *   lookup meanwhile.
 * - Asserted first: all sampled traces come back with all their spans; a search finds ten traces.
 * - Compare figures of one run only. The sender uses the same processors, so ratios of rates come out too small.
 * - `--write` updates docs/performance.md and bench/README.md. The exit code is 1 if a goal is missed. Linux
 *   only.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measurePauses } from "./collector-pause.ts";
import { CollectorProcess, hasZipkin, type Taken } from "./collector-process.ts";
import { measureSearch } from "./collector-search.ts";
import { describeMachine, renderTable, writePages } from "./page.ts";
import { median } from "./process.ts";
import { type FormatName, makeBatches } from "./span-batches.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "zipkin,search,pause" },
    rounds: { type: "string", default: "3" },
    spans: { type: "string", default: "500000" },
    write: { type: "boolean", default: false },
  },
});
const ROUNDS = Number(options.rounds);
/** Number of spans stored when memory is read. */
const SPANS = Number(options.spans);
const FORMATS: readonly FormatName[] = ["JSON", "protobuf"];
const LOOK_UPS = 400;

const goals: string[][] = [];
const results: string[] = [];
const parts = options.only.split(",");
if (parts.includes("zipkin")) await compare();
if (parts.includes("search"))
  for (const [what, ms] of await measureSearch(SPANS * 2)) judge(`search by ${what}, ms`, ms, 30);
if (parts.includes("pause"))
  for (const [what, ms] of await measurePauses()) judge(`longest pause, ${what}, ms`, ms, 50);
const judged = [
  ...renderTable(["what", "found", "goal", ""], goals),
  "",
  `- ${describeMachine()}; ${ROUNDS} rounds, ${SPANS} spans held.`,
  ...(hasZipkin
    ? []
    : ["- Zipkin is not installed, so it was not measured (test/helpers/get-zipkin fetches it)."]),
];
console.log(`\n${[...results, "", ...judged].join("\n")}`);
if (options.write) writePages("bench:collector", results, judged);
process.exitCode = goals.some((goal) => goal[3] === "MISSED") ? 1 : 0;

/** Starts both servers in memory, and our collector with a file. */
async function compare(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "chain-link-bench-"));
  const running: CollectorProcess[] = [];
  try {
    running.push(await CollectorProcess.ours("in memory"));
    running.push(await CollectorProcess.ours("in a file", "--data", join(folder, "spans.db")));
    if (hasZipkin) running.push(await CollectorProcess.zipkin());
    const taken = await takeTurns(running);
    await Bun.sleep(2000);
    const resident = new Map(running.map((it) => [it, it.residentBytes]));
    const p99s = new Map<CollectorProcess, number>();
    for (const each of running) p99s.set(each, await lookUp(each, Math.max(...ratesOf(taken, each)) / 2));
    const figure = (each: CollectorProcess, format: FormatName, field: keyof Taken) =>
      median((taken.get(`${each.name} ${format}`) ?? []).map((it) => it[field]));
    const rows = running.map((each) => [
      each.name,
      each.startMs.toFixed(0),
      ...FORMATS.flatMap((format) => [
        figure(each, format, "spansPerSecond").toFixed(0),
        figure(each, format, "cpuSecondsPerMillion").toFixed(1),
      ]),
      ((resident.get(each) ?? 0) / 1e6).toFixed(0),
      (p99s.get(each) ?? 0).toFixed(1),
    ]);
    const heads = FORMATS.flatMap((format) => [`${format} spans/s`, "CPU s per million"]);
    results.push(...renderTable(["", "start ms", ...heads, "MB", "lookup p99 ms"], rows));
    const [memory, file, zipkin] = running as [CollectorProcess, CollectorProcess, CollectorProcess?];
    for (const format of FORMATS) {
      const ratio = (a: CollectorProcess, b: CollectorProcess, field: keyof Taken) =>
        figure(a, format, field) / figure(b, format, field);
      judge(`${format} spans/s in a file / in memory`, ratio(file, memory, "spansPerSecond"), 0.5, true);
      if (zipkin === undefined) continue;
      judge(`${format} spans/s / Zipkin's`, ratio(memory, zipkin, "spansPerSecond"), 3, true);
      judge(`${format} CPU per span / Zipkin's`, ratio(memory, zipkin, "cpuSecondsPerMillion"), 0.33);
    }
    if (zipkin === undefined) return;
    const part = (values: Map<CollectorProcess, number>) =>
      (values.get(memory) ?? 0) / (values.get(zipkin) ?? 1);
    judge(`memory with ${SPANS} spans / Zipkin's`, part(resident), 0.4);
    judge("start / Zipkin's", memory.startMs / zipkin.startMs, 0.05);
    judge("lookup p99 at half rate / Zipkin's", part(p99s), 1);
  } finally {
    for (const each of running) await each.stop();
    rmSync(folder, { recursive: true });
  }
}

/** Returns the cost of each round by name and format. */
async function takeTurns(running: readonly CollectorProcess[]): Promise<Map<string, Taken[]>> {
  const taken = new Map<string, Taken[]>();
  const spans = SPANS / FORMATS.length / (ROUNDS + 1);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const format of FORMATS) {
      const batches = makeBatches(format, spans);
      for (const each of round % 2 === 0 ? running : running.toReversed()) {
        const found = await each.take(batches);
        const { spansPerSecond, cpuSecondsPerMillion } = found;
        console.log(
          `round ${round} ${each.name} ${format}: ${spansPerSecond.toFixed(0)} spans/s, ${cpuSecondsPerMillion.toFixed(1)} CPU s per million`,
        );
        const key = `${each.name} ${format}`;
        if (round > 0) taken.set(key, [...(taken.get(key) ?? []), found]);
      }
    }
  }
  return taken;
}

function ratesOf(taken: ReadonlyMap<string, readonly Taken[]>, { name }: CollectorProcess): number[] {
  return (taken.get(`${name} JSON`) ?? []).map(({ spansPerSecond }) => spansPerSecond);
}

/** Returns the 99th percentile of the lookups in milliseconds. */
async function lookUp(target: CollectorProcess, spansPerSecond: number): Promise<number> {
  const batches = makeBatches("JSON", SPANS / 5);
  await target.take(makeBatches("JSON", 1));
  const asked = makeBatches("JSON", 1);
  await target.take(asked);
  const stop = target.feed(batches, spansPerSecond);
  const times: number[] = [];
  for (let count = 0; count < LOOK_UPS; count++) {
    times.push(await target.time(`/api/v2/trace/${asked.samples[count % asked.samples.length]}`));
    await Bun.sleep(5);
  }
  await stop();
  return times.sort((a, b) => a - b)[Math.floor(LOOK_UPS * 0.99)] ?? 0;
}

function judge(what: string, found: number, goal: number, isAtLeast = false): void {
  const isMet = isAtLeast ? found >= goal : found <= goal;
  const digits = goal >= 10 ? 1 : goal < 0.1 ? 3 : 2;
  goals.push([
    what,
    found.toFixed(digits),
    `at ${isAtLeast ? "least" : "most"} ${goal}`,
    isMet ? "met" : "MISSED",
  ]);
}
