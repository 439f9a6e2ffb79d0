import { randomBytes } from "node:crypto";
import type { AllowedOrigins } from "../../collector/access.ts";
import type { ControlDesk } from "../../collector/control-desk.ts";
import type { Collector } from "../../collector/server.ts";
import { formatCount } from "../../lib/count.ts";
import { ZIPKIN_PORT } from "../../lib/default-address.ts";
import { UserError } from "../../lib/errors.ts";
import type { Load } from "../../load/generator.ts";
import type { Rate } from "../../load/schedule.ts";
import type { LiveProof } from "../../local/live-proof.ts";
import type { LocalChain } from "../../local/local-chain.ts";
import { isCall, MAX_BACKOFF_FACTOR, type Topology } from "../../topology/model.ts";
import type { RunHeader } from "../../trace/ledger-record.ts";
import { CORS_FLAG, STORE_FLAGS, storeOptions, tellExposure } from "../common/collector-flags.ts";
import { describeResults, summarizeResults } from "../common/load-summary.ts";
import { PACE_FLAGS, rateOf } from "../common/pace-flags.ts";
import { LINK_FLAGS } from "../common/shared-flags.ts";
import { areAllSent, countSpans, describeSpans, warnOfLostLinks } from "../common/span-summary.ts";
import {
  INSTANCES_FLAG,
  idleWithTopology,
  loadTopology,
  SLOW_FLAG,
  TOPOLOGY_OPERAND,
} from "../common/topology-input.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import { durationFlag, type FlagValues, integerFlag, switchFlag, textFlag, urlFlag } from "../shell/flags.ts";
import { outputFlag } from "../shell/global-flags.ts";
import { watchInterrupts } from "../shell/interrupt.ts";
import { openBrowser } from "../shell/open-browser.ts";
import type { Output } from "../shell/output.ts";
import type { Setting } from "../shell/settings.ts";

export const up = defineCommand({
  examples: [
    {
      line: "chain-link up",
      says: "run a chain of 3 with one request a second, and show traces on http://127.0.0.1:9411",
    },
    { line: "chain-link up --instances 5 --slow off --rate 20/s", says: "run more links with more load" },
    {
      line: "chain-link up shop.yaml --zipkin http://localhost:9411",
      says: "run a topology and send spans to your Zipkin",
    },
  ],
  operands: TOPOLOGY_OPERAND,
  idleFlags: (use) => [
    ...idleWithTopology(use),
    ...CONTRADICTIONS.flatMap(({ causes, idle }) => (causes.some(use.isSet) ? idle : [])),
  ],
  flags: {
    instances: INSTANCES_FLAG,
    host: textFlag("127.0.0.1", { summary: "Address to listen on.", placeholder: "ADDRESS" }),
    port: integerFlag(
      ZIPKIN_PORT,
      { min: 0, max: 65_535 },
      {
        summary: "Port of the collector and its page; 0 picks a free port.",
        placeholder: "PORT",
      },
    ),
    "base-port": integerFlag(
      0,
      { min: 0, max: 65_535 },
      {
        summary: "Port of the first link; the others follow. 0 picks free ports.",
        placeholder: "PORT",
      },
    ),
    cors: CORS_FLAG,
    ...STORE_FLAGS,
    zipkin: urlFlag({
      summary: "Zipkin to send spans to instead of the embedded collector; disables the page.",
    }),
    otlp: urlFlag({ summary: "OTLP/HTTP receiver to send spans to instead; disables the page." }),
    ...LINK_FLAGS,
    processes: switchFlag({ summary: "Run each link in its own process." }),
    ...PACE_FLAGS,
    "no-load": switchFlag({ summary: "Do not send requests." }),
    duration: durationFlag(null, { summary: "Stop after this long." }),
    slow: SLOW_FLAG,
    open: switchFlag({ summary: "Open the page in a browser." }),
    output: outputFlag(
      ["table", "json"],
      "table",
      "json: print one line to standard output when all links are ready.",
    ),
  },
  async run({ flags, operands, settings, output }) {
    checkContradictions(settings);
    const [{ startLocalChain }, { LiveTable }, { readTracing }, { VERSION }] = await Promise.all([
      import("../../local/local-chain.ts"),
      import("./live-table.ts"),
      import("../common/otel-environment.ts"),
      import("../../lib/version.ts"),
    ]);
    const topology = await loadTopology(operands[0], {
      instances: flags.instances,
      slow: flags.slow === "on",
      settings,
      output,
    });
    // Only after reading the document: standard input may never end, and Ctrl-C must still work.
    const interruption = watchInterrupts(() => output.print("\n"));
    const parts: Parts = { collector: null, desk: null, chain: null, load: null, proof: null };
    if (flags.zipkin === null && flags.otlp === null) await openCollector(parts, flags);
    const { tracer, target } = readTracing(flags, settings, output, parts.collector?.url ?? null);
    let table: InstanceType<typeof LiveTable> | null = null;
    try {
      const starting = startLocalChain({
        topology,
        host: flags.host,
        basePort: flags["base-port"],
        target,
        tracer,
        tagSet: flags.tags,
        version: VERSION,
        processes: flags.processes,
        seed: flags.seed,
        write: (line) => (table === null ? output.logLine(line) : table.interject(line)),
      });
      // An interrupt may win the race below; then nobody handles a rejection.
      starting.catch(() => {});
      const chain = await Promise.race([starting, interruption.signal.then(() => null)]);
      if (chain === null) {
        // Link processes exit with this one.
        await parts.collector?.stop();
        return EXIT.interrupted;
      }
      parts.chain = chain;
      tellExposure(flags.host, "send requests to the links, and read and send traces", output);
      output.detail(`${chain.links.length} links ready after ${Math.round(performance.now())} ms`);
      await offerControl(parts, topology, rateOf(flags, settings));
      // Browsers do not send what follows #.
      const page = parts.collector && `${parts.collector.url}/#token=${parts.desk?.token}`;
      if (flags.output === "json") {
        await output.result(renderFacts(topology, chain, page, target.url));
      } else {
        table = new LiveTable({ output, topology, chain, page, collectorUrl: target.url });
        table.start();
      }
      if (flags.open && page === null)
        output.warn("--open has no effect: there is no page, because spans are sent elsewhere");
      if (flags.open && page !== null) openBrowser(page);
      if (!flags["no-load"]) {
        const { results } = await startUpLoad(parts, chain, topology, rateOf(flags, settings), flags.seed);
        table?.showLoad(results);
      }
      const limit = flags.duration === null ? [] : [Bun.sleep(flags.duration)];
      const reason = await Promise.race([interruption.signal, ...limit]);
      table?.end();
      const isWhole = await finish(parts, output);
      if (reason === "SIGINT") return EXIT.interrupted;
      return isWhole ? EXIT.done : EXIT.failed;
    } catch (error) {
      await stopAll(parts);
      throw error;
    }
  },
});

/** Starts the collector, and the desk at which its page controls the chain. */
async function openCollector(
  parts: Parts,
  flags: FlagValues<typeof STORE_FLAGS> & {
    readonly host: string;
    readonly port: number;
    readonly cors: AllowedOrigins;
  },
): Promise<void> {
  const [{ startCollector }, { ControlDesk }] = await Promise.all([
    import("../../collector/server.ts"),
    import("../../collector/control-desk.ts"),
  ]);
  parts.desk = new ControlDesk(randomBytes(TOKEN_BYTES).toString("base64url"), flags.host);
  parts.collector = startCollector({
    host: flags.host,
    port: flags.port,
    allowedOrigins: flags.cors,
    control: parts.desk,
    proof: () => parts.proof,
    ...storeOptions(flags),
  });
}

/** Lets the page control the chain, if there is a page. */
async function offerControl(parts: Parts, topology: Topology, rate: Rate): Promise<void> {
  if (parts.desk === null || parts.chain === null) return;
  const { controlChain } = await import("../../local/chain-control.ts");
  parts.desk.attach(controlChain(topology, parts.chain, () => parts.load, rate.toPerSecond));
}

/** Starts the load and, with a collector, the proof that its spans arrive. */
async function startUpLoad(
  parts: Parts,
  chain: LocalChain,
  topology: Topology,
  rate: Rate,
  seed: string | null,
): Promise<Load> {
  const [{ startEntryLoad }, { newRunId, RunIds }] = await Promise.all([
    import("../common/entry-load.ts"),
    import("../../trace/run.ts"),
  ]);
  const { collector, desk } = parts;
  const ids = new RunIds(newRunId());
  const url = `${chain.entryUrl}/`;
  if (collector !== null) {
    const header = { run: ids.runId, startMs: Date.now(), url };
    parts.proof = await startProof(header, topology, chain, collector, desk);
  }
  const load = startEntryLoad({
    url,
    ids,
    onEnd: (record) => parts.proof?.noteEnd(record),
    rate,
    timeoutMs: longestAnswerMs(topology),
    seed,
  });
  parts.load = load;
  return load;
}

/**
 * Refuses a flag on the command line that another setting leaves without effect. Variables may be meant for other commands.
 * @throws {UserError} `usage`
 */
function checkContradictions(settings: readonly Setting[]): void {
  for (const { causes, reason, idle } of CONTRADICTIONS) {
    const cause = settings.find(
      ({ name, value }) => causes.includes(name) && value !== null && value !== false,
    );
    const flag = settings.find(({ name, origin }) => idle.includes(name) && origin === `--${name}`);
    if (cause !== undefined && flag !== undefined)
      throw new UserError("usage", `--${flag.name} and ${cause.origin} contradict each other: ${reason}`);
  }
}

const CONTRADICTIONS: readonly {
  readonly causes: readonly string[];
  readonly reason: string;
  readonly idle: readonly string[];
}[] = [
  {
    causes: ["zipkin", "otlp"],
    reason: "spans are sent elsewhere, so no collector is started",
    idle: ["port", "cors", ...Object.keys(STORE_FLAGS)],
  },
  { causes: ["no-load"], reason: "no requests are sent", idle: Object.keys(PACE_FLAGS) },
];

interface Parts {
  collector: Collector | null;
  desk: ControlDesk | null;
  chain: LocalChain | null;
  load: Load | null;
  proof: LiveProof | null;
}

const TOKEN_BYTES = 18;
const SECOND_MS = 1000;

/** Compares the ledgers of the load with the spans that the collector receives, for its page. */
async function startProof(
  header: RunHeader,
  topology: Topology,
  chain: LocalChain,
  collector: Collector,
  desk: ControlDesk | null,
): Promise<LiveProof> {
  const [{ LiveProof }, { lossCounters }, { graphOf }] = await Promise.all([
    import("../../local/live-proof.ts"),
    import("../../local/loss-counters.ts"),
    import("../../verify/judge/call-graph.ts"),
  ]);
  const [graph, faulty] = [graphOf(topology), graphOf(topology, true)];
  const proof = new LiveProof({
    header,
    backend: `the collector at ${collector.url}`,
    graph: () => (desk?.hadFault ? faulty : graph),
    readTrace: (traceId) => collector.store.trace(traceId),
    pageOf: (traceId) => `${collector.url}/?trace=${traceId}`,
    counters: () => lossCounters(chain.links, collector.store),
  });
  setInterval(() => proof.tick(), SECOND_MS).unref();
  return proof;
}

/** The running chain as one line of JSON. */
function renderFacts(topology: Topology, chain: LocalChain, page: string | null, collector: string): string {
  const links = chain.links.map(({ name, url }) => ({ name, url }));
  return `${JSON.stringify({ name: topology.name, page, collector, entry: chain.entryUrl, links })}\n`;
}

/** Stops everything and prints the totals; resolves to false when spans were lost or no request succeeded. */
async function finish(parts: Parts, output: Output): Promise<boolean> {
  const inFlight = parts.load?.results.inFlight ?? 0;
  if (inFlight > 0)
    output.note(
      `waiting for ${formatCount(inFlight, "request")} in flight; press Ctrl-C to stop immediately`,
    );
  await stopAll(parts);
  return describeEnd(parts, output);
}

/** Stops the load first, so that every request is answered; the collector last, so that it gets every span. */
async function stopAll(parts: Parts): Promise<void> {
  await parts.load?.stop();
  await parts.chain?.stop();
  await parts.collector?.stop();
}

/** Prints the totals of requests and spans; returns false when spans were lost or no request succeeded. */
function describeEnd({ chain, load }: Parts, output: Output): boolean {
  const totals = countSpans(chain ?? { links: [] });
  if (load !== null) output.note(`\n${describeResults(summarizeResults(load.results))}`);
  output.note(describeSpans(totals));
  warnOfLostLinks(totals, output);
  const isServed = load === null || load.results.sent === 0 || load.results.succeeded > 0;
  return areAllSent(totals) && isServed;
}

/** Timeout of the load's requests: the longest time of the entry's calls plus its own work. */
function longestAnswerMs({ services, entry }: Topology): number {
  const steps = services.get(entry)?.steps ?? [];
  const stepMs = steps.map((step) =>
    Math.max(
      0,
      ...step.filter(isCall).map(({ timeoutMs, retries, retry }) => {
        const pauseMs = retry.backoffMs * MAX_BACKOFF_FACTOR;
        return timeoutMs * (retries + 1) + pauseMs * retries;
      }),
    ),
  );
  return stepMs.reduce((sum, ms) => sum + ms, 0) + OWN_WORK_MS;
}

/** Allowance for the entry's own latency and work; distributions have no upper bound. */
const OWN_WORK_MS = 60_000;
