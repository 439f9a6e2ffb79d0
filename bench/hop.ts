/**
 * Measures the cost of a hop: a chain of 5, each link in its own process, under closed-loop load from wrk, which
 * has to be installed. Linux only.
 *
 *     bun bench/hop.ts [--seconds 3] [--rounds 5] [--connections 1,16,64] [--only WORD,WORD]
 *         [--memory] [--ledger 20] [--write]
 *
 * - Metrics: CPU time (user and system, from /proc) of all links per hop, requests per second, latency at the
 *   entry, and resident memory per link.
 * - Our chains: traced at 100 %, traced with minimal tags, traced at 1 %, and untraced. Requests bring no trace
 *   context, so the entry decides. Spans go to a process that only counts them.
 * - Compared with: the floor (`fixed-bytes.ts` forwards the same bytes unread) and the installed programs
 *   of `peers.ts`.
 * - All chains run at the same time and are loaded in turns, forward and backward. Ratios are taken within a
 *   round, and their median counts. `--only` measures chains whose name contains one of the words;
 *   `fixed-bytes.ts` needs one of our chains for its bytes.
 * - Then latency at half of each peer's maximum rate, for our chain and the peer in turns, sent at an even rate
 *   and counted from the moment when a request was due (`half-rate.ts`).
 * - `--memory` adds the memory of a link after 10,000 and after 1,000,000 requests (`growth.ts`); it takes at
 *   least two minutes.
 * - `--ledger N` adds the cost of ledgers, from N pairs of new chains (`ledger-share.ts`); a pair takes a
 *   minute.
 * - Asserted first: each chain answers correctly through all its processes. Afterwards: no request failed, the
 *   sink has 9 spans for each of our sampled requests, and no span was dropped.
 * - `--write` updates docs/performance.md and bench/README.md.
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { type Chain, LINKS, type OwnChain, readLinkBytes, startFloorChain, startOwnChain } from "./chains.ts";
import { measureGrowth } from "./growth.ts";
import { compareAtHalfRate } from "./half-rate.ts";
import { type GoalRow, judgeGoals, TRACED } from "./hop-goals.ts";
import { measureLedgerShare } from "./ledger-share.ts";
import { describeMachine, renderTable, writePages } from "./page.ts";
import { PEERS, startPeer } from "./peers.ts";
import { median, readCpuMicros, readMemory } from "./process.ts";
import { type SpanSink, startSpanSink } from "./span-sink.ts";
import type { Turn, Turns } from "./turns.ts";
import { runWrk } from "./wrk.ts";

const VARIANTS = [
  { name: TRACED, tags: "default", sampled: 1 },
  { name: "traced 100 %, minimal tags", tags: "minimal", sampled: 1 },
  { name: "traced 1 %", tags: "default", sampled: 0.01 },
  { name: "untraced", tags: "default", sampled: 0 },
] as const;
/** A new chain costs several times as much until all its code is compiled. */
const WARM_UP = { requests: 50_000, turns: 20 };
/** Peers have no just-in-time compiler to wait for. */
const PEER_TURNS = 2;
const SPANS_A_REQUEST = 2 * LINKS - 1;

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "5" },
    connections: { type: "string", default: "1,16,64" },
    only: { type: "string", default: "" },
    memory: { type: "boolean", default: false },
    ledger: { type: "string", default: "0" },
    write: { type: "boolean", default: false },
  },
});
const seconds = Number(options.seconds);
const rounds = Number(options.rounds);
const connections = options.connections.split(",").map(Number);

if (Bun.which("wrk") === null) {
  console.log("wrk is not on the PATH: nothing was measured");
  process.exit(0);
}
const sink = await startSpanSink();
const chains: Chain[] = [];
const own: OwnChain[] = [];
const notes: string[] = [];
try {
  await startAll();
  const turns = await measureAll();
  const others: GoalRow[] = [];
  const traced = own.find(({ name }) => name === TRACED);
  if (traced !== undefined) {
    for (const peer of chains.filter(isPeer)) {
      const found = await compareAtHalfRate(traced, peer, bestRate(turns.get(peer.name)), seconds, rounds);
      others.push(found.goal);
      notes.push(found.note);
    }
    notes.push(describeMemory(traced));
  }
  const losses = await checkSpans();
  if (options.memory) {
    const found = await measureGrowth(sink);
    others.push(found.goal);
    notes.push(found.note);
  }
  if (Number(options.ledger) > 1) {
    const found = await measureLedgerShare(sink, Number(options.ledger), connections, seconds);
    others.push(...found.goals);
    notes.push(found.note);
  }
  notes.push(
    `- ${describeMachine()}; ${rounds} rounds of ${seconds} s each, ${new Date().toISOString().slice(0, 10)}.`,
  );
  const results = renderResults(turns);
  const goals = [...judgeGoals(turns, others), "", ...losses, ...notes];
  console.log(`\n${[...results, "", ...goals].join("\n")}`);
  if (options.write) writePages("bench:hop", results, goals);
} finally {
  await Promise.all(chains.map((chain) => chain.stop()));
  await sink.stop();
}

async function startAll(): Promise<void> {
  for (const variant of VARIANTS) {
    if (!isWanted(variant.name)) continue;
    const chain = await startOwnChain({ ...variant, hasLedger: true, sink: sink.url });
    own.push(chain);
    chains.push(chain);
    const answer = await fetch(chain.url);
    assert.match(await answer.text(), new RegExp(`final chain link chain-link-service-${LINKS - 1}"`));
  }
  const [first] = own;
  if (first !== undefined && isWanted("raw sockets")) {
    const bytes = await readLinkBytes(first.url);
    const floor = await startFloorChain(bytes);
    chains.push(floor);
    assert.equal((await readLinkBytes(floor.url)).answer, bytes.answer);
  }
  for (const name of PEERS) {
    if (!isWanted(name)) continue;
    const peer = await startPeer(name, sink);
    if (peer === null) notes.push(`- ${name}: not installed, so not measured.`);
    else {
      chains.push(peer.chain);
      if (peer.version !== "") notes.push(`- ${name}: version ${peer.version}.`);
    }
  }
}

function isPeer({ name }: Chain): boolean {
  return (PEERS as readonly string[]).includes(name);
}

/** Requests per second. */
function bestRate(turns: Turns | undefined): number {
  return Math.max(...[...(turns?.values() ?? [])].flat().map(({ requestsPerSecond }) => requestsPerSecond));
}

/** Resident memory counts shared pages in every link; the other figures do not. */
function describeMemory({ name, pids }: Chain): string {
  const megabytes = (field: "Pss" | "RssAnon") =>
    (median(pids.map((pid) => readMemory(pid, field))) / 1e6).toFixed(0);
  return `- Memory of a link, ${name}, with shared pages divided among the processes that share them (PSS): ${megabytes("Pss")} MB; private pages only: ${megabytes("RssAnon")} MB.`;
}

function isWanted(name: string): boolean {
  return options.only.split(",").some((word) => name.includes(word));
}

async function measureAll(): Promise<ReadonlyMap<string, Turns>> {
  for (const chain of chains) await warmUp(chain);
  const all = new Map<string, Map<number, Turn[]>>();
  for (const count of connections) {
    for (let round = 0; round < rounds; round++) {
      // Each comes first as often as last, so that other load on the machine favors none.
      for (const chain of round % 2 === 0 ? chains : chains.toReversed()) {
        const turn = await measure(chain, count);
        const ofChain = all.get(chain.name) ?? new Map<number, Turn[]>();
        ofChain.set(count, [...(ofChain.get(count) ?? []), turn]);
        all.set(chain.name, ofChain);
        console.log(`c=${count} ${chain.name}: ${turn.hopMicros.toFixed(1)} µs per hop`);
      }
    }
  }
  return all;
}

async function warmUp(chain: Chain): Promise<void> {
  const turns = isPeer(chain) ? PEER_TURNS : WARM_UP.turns;
  for (let turn = 0, requests = 0; turn < turns && requests < WARM_UP.requests; turn++) {
    requests += (await measure(chain, 16)).requests;
  }
}

async function measure({ url, pids, wrk }: Chain, count: number): Promise<Turn> {
  const before = readCpuMicros(pids);
  const result = await runWrk(url, count, seconds, wrk);
  const used = readCpuMicros(pids) - before;
  const memoryBytes = median(pids.map((pid) => readMemory(pid, "VmRSS")));
  return { ...result, hopMicros: used / result.requests / LINKS, memoryBytes };
}

function renderResults(turns: ReadonlyMap<string, Turns>): string[] {
  const rows = connections.flatMap((count) =>
    chains.map(({ name }) => {
      const all = turns.get(name)?.get(count) ?? [];
      const of = (key: keyof Turn) => median(all.map((turn) => turn[key]));
      return [
        String(count),
        name,
        of("hopMicros").toFixed(1),
        of("requestsPerSecond").toFixed(0),
        of("p50Ms").toFixed(2),
        of("p99Ms").toFixed(2),
        (of("memoryBytes") / 1e6).toFixed(0),
      ];
    }),
  );
  return renderTable(
    ["c", "chain of 5", "CPU µs per hop", "requests/s", "p50 ms", "p99 ms", "MB per link"],
    rows,
  );
}

/** Asserts that the sink has all spans of every request that an entry answered. */
async function checkSpans(): Promise<string[]> {
  const lines: string[] = [];
  for (const chain of own) {
    const counts = await settle(chain, sink);
    const { sent, dropped } = await chain.spans();
    const requests = await chain.requests();
    assert.equal(dropped, 0, `${chain.name}: spans were dropped`);
    assert.equal(counts.spans, sent, `${chain.name}: the links sent ${sent} spans, ${counts.spans} arrived`);
    const variant = VARIANTS.find(({ name }) => name === chain.name);
    if (variant?.sampled === 1) assert.equal(counts.spans, requests * SPANS_A_REQUEST, chain.name);
    else assert.equal(counts.spans % SPANS_A_REQUEST, 0, `${chain.name}: ${counts.spans} spans`);
    if (variant?.sampled === 0) assert.equal(counts.spans, 0, chain.name);
    const each = counts.spans === 0 ? "" : `, ${(counts.bytes / counts.spans).toFixed(0)} bytes per span`;
    lines.push(`- ${chain.name}: ${requests} requests, ${counts.spans} spans arrived, none dropped${each}.`);
  }
  return lines;
}

/** Waits until nothing is in flight or queued. */
async function settle(chain: OwnChain, { counts }: SpanSink) {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { queued, sent } = await chain.spans();
    const found = await counts(encodeURIComponent(chain.name));
    if (queued === 0 && found.spans === sent) return found;
    await Bun.sleep(200);
  }
  return counts(encodeURIComponent(chain.name));
}
