import type { RunBook } from "../verify/run-book.ts";
import { defineCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import {
  durationFlag,
  type Flag,
  integerFlag,
  nameUrlFlag,
  parseHttpUrl,
  percentageFlag,
  switchFlag,
  textFlag,
  Unfit,
} from "./flags.ts";
import { outputFlag } from "./global-flags.ts";
import { watchInterrupts } from "./interrupt.ts";
import { type LoadTarget, openTarget, TARGET_FLAGS } from "./load-target.ts";
import type { Output } from "./output.ts";
import { PACE_FLAGS, rateOf } from "./pace-flags.ts";

const BACKENDS = ["zipkin", "jaeger", "tempo", "collector"] as const;

interface Backend {
  readonly kind: (typeof BACKENDS)[number];
  readonly url: string;
}

function backendFlag(summary: string): Flag<Backend | null> {
  const unfit = new Unfit(`one of ${BACKENDS.join(", ")} and its URL, such as zipkin=http://localhost:9411`);
  return {
    summary,
    placeholder: "KIND=URL",
    fallback: null,
    fallbackText: "the collector that was started, or zipkin=http://localhost:9411",
    parse: (texts) => {
      const [, name, rest = ""] = /^([a-z]+)=(.*)$/.exec(texts.at(-1) ?? "") ?? [];
      const kind = BACKENDS.find((it) => it === name);
      const url = parseHttpUrl(rest);
      return kind === undefined || url instanceof Unfit ? unfit : { kind, url };
    },
  };
}

export const verify = defineCommand({
  examples: [
    {
      line: "chain-link verify shop.yaml --rate 200/s --duration 60s",
      says: "a topology on this machine: sends, waits, reconciles",
    },
    {
      line: "chain-link verify http://localhost:8000 --rate 50/s --requests 1000 --backend zipkin=http://localhost:9411",
      says: "through something that runs already",
    },
    {
      line: "chain-link verify --run run.ledger --backend zipkin=http://localhost:9411 --junit verify.xml",
      says: "an earlier run of 'load --ledger run.ledger'",
    },
    {
      line: "chain-link verify --propagation http://localhost:8000 --backend zipkin=http://localhost:9411",
      says: "which forms of trace context every edge keeps",
    },
  ],
  operands: {
    usage: "[URL|TOPOLOGY]",
    summary: "Where requests go; a topology document (- reads standard input) is started on this machine.",
    min: 0,
    max: 1,
  },
  flags: {
    run: textFlag(null, {
      summary: "Send nothing: judge an earlier run by its ledger, a file or the URL of 'load --serve'.",
      placeholder: "FILE|URL",
      completes: "file",
      env: [],
    }),
    propagation: switchFlag({
      summary: "Send each form of trace context instead, and say which of them every edge keeps.",
    }),
    backend: backendFlag("Where the spans are looked for."),
    graph: textFlag(null, {
      summary:
        "The topology document of what runs behind a URL; without it, it is learned from whole traces.",
      placeholder: "TOPOLOGY",
      completes: "file",
    }),
    links: nameUrlFlag({
      summary: "Links whose counters are asked where spans were lost; may be repeated.",
    }),
    ...PACE_FLAGS,
    duration: durationFlag(null, { summary: "Send for so long.", fallbackText: "10s" }),
    requests: integerFlag(
      null,
      { min: 1, max: 1e9 },
      { summary: "Send so many requests; with --propagation so many of each form, there 1 by default." },
    ),
    timeout: durationFlag(60_000, { summary: "Limit of a request.", fallbackText: "1m" }),
    sample: percentageFlag(1, { summary: "The share of requests that ask to be recorded." }),
    "max-wait": durationFlag(60_000, {
      summary: "What has not arrived so long after the last request is missing.",
      fallbackText: "1m",
    }),
    "query-rate": integerFlag(
      20,
      { min: 1, max: 10_000 },
      { summary: "Most queries to the backend in a second." },
    ),
    "allow-loss": percentageFlag(0, { summary: "The share of spans, or of traces, that may be wrong." }),
    ...TARGET_FLAGS,
    junit: textFlag(null, {
      summary: "Write the result as a JUnit file.",
      placeholder: "FILE",
      completes: "file",
    }),
    report: textFlag(null, {
      summary: "Write the result as one HTML page.",
      placeholder: "FILE",
      completes: "file",
    }),
    output: outputFlag(["table", "json"], "table", "How to print the result."),
  },
  async run({ flags, operands, settings, output }) {
    const [{ UserError }, { reconcile }, { resultOf }, { graphOf }] = await Promise.all([
      import("../lib/errors.ts"),
      import("../verify/reconcile.ts"),
      import("../verify/result.ts"),
      import("../verify/call-graph.ts"),
    ]);
    const { attributeLosses, readCounters } = await import("../verify/attribution.ts");
    if (flags.run !== null && operands.length > 0) {
      throw new UserError("usage", "--run judges an earlier run, but something to send to was named, too");
    }
    if (flags.propagation) {
      const unfit = settings.find(({ name, origin }) => PROOF_FLAGS.includes(name) && origin === `--${name}`);
      if (unfit !== undefined) {
        throw new UserError(
          "usage",
          `${unfit.origin} is for the proof of spans, but --propagation was given`,
        );
      }
    }
    const interruption = watchInterrupts(() => output.raw("\n"));
    const abort = new AbortController();
    let target: LoadTarget | null = null;
    try {
      target = flags.run === null ? await openTarget(operands[0], flags, settings, output) : null;
      if (flags.propagation && target !== null) {
        void interruption.signal.then(() => abort.abort(new Error("interrupted")));
        const [{ verifyPropagation }, { renderPropagation }] = await Promise.all([
          import("../verify/propagation-run.ts"),
          import("./propagation-report.ts"),
        ]);
        const reader = await openReader(flags.backend ?? defaultBackend(target, flags.zipkin));
        const result = await verifyPropagation({
          url: target.url,
          reader,
          requestsPerForm: flags.requests ?? 1,
          timeoutMs: flags.timeout,
          maxWaitMs: flags["max-wait"],
          queriesPerSecond: flags["query-rate"],
          signal: abort.signal,
        });
        const text =
          flags.output === "json" ? `${JSON.stringify(result)}\n` : renderPropagation(result, reader);
        await output.result(text);
        return { kept: EXIT.done, broken: EXIT.failed, "could-not-tell": EXIT.couldNotTell }[result.outcome];
      }
      const topology = flags.graph === null ? target?.topology : await readGraph(flags.graph);
      const backend = flags.backend ?? defaultBackend(target, flags.zipkin);
      const links = new Map([...(target?.links ?? []), ...flags.links]);
      const before = flags.run === null ? await readCounters(links, backend) : null;
      const sending =
        target === null
          ? {
              book: await openBook(flags.run ?? ""),
              ended: Promise.resolve(),
              stop: async () => {},
              missed: () => 0,
            }
          : await send(target.url, {
              pace: { kind: "open", rate: rateOf(flags, settings), arrivals: "constant" },
              timeoutMs: flags.timeout,
              durationMs: flags.duration ?? (flags.requests === null ? DEFAULT_DURATION_MS : null),
              maxRequests: flags.requests,
              sampleShare: flags.sample,
            });
      void interruption.signal.then(() => {
        abort.abort(new Error("interrupted"));
        void sending.stop();
      });
      const reader = await openReader(backend);
      const line = progressLine(output);
      const reconciliation = await reconcile({
        book: sending.book,
        reader,
        graph: topology === undefined ? null : graphOf(topology),
        ended: sending.ended,
        maxWaitMs: flags["max-wait"],
        queriesPerSecond: flags["query-rate"],
        signal: abort.signal,
        onProgress: line.show,
      }).finally(line.end);
      const after = await readCounters(links, backend);
      const missed = sending.missed();
      if (missed > 0) output.warn(`the rate was not reached: ${missed} requests were due and never sent`);
      const { tally } = reconciliation;
      const result = resultOf(reconciliation, {
        run: sending.book.header.run,
        url: sending.book.header.url,
        backend: reader.name,
        allowedLoss: flags["allow-loss"],
        losses: tally.missing === 0 ? [] : attributeLosses(tally, before, after),
        pageOf: (traceId) => reader.pageOf(traceId),
      });
      await writeFiles(flags, result);
      const { renderVerifyReport } = await import("./verify-report.ts");
      await output.result(
        flags.output === "json" ? `${JSON.stringify(result)}\n` : renderVerifyReport(result),
      );
      if (result.outcome === "could-not-tell") return EXIT.couldNotTell;
      return result.outcome === "complete" ? EXIT.done : EXIT.failed;
    } catch (error) {
      if (abort.signal.aborted) return EXIT.interrupted;
      const isUnread =
        error instanceof UserError && ["backend-unreadable", "ledger-unreadable"].includes(error.code);
      if (!isUnread) throw error;
      output.error(error.message);
      if (error.hint !== undefined) output.raw(`         ${output.style("dim", error.hint)}\n`);
      return EXIT.couldNotTell;
    } finally {
      await target?.stop();
    }
  },
});

/** What says nothing about forms of context. */
const PROOF_FLAGS = [
  "run",
  "graph",
  "links",
  "sleep-time",
  "rate",
  "duration",
  "sample",
  "allow-loss",
  "junit",
  "report",
];
const DEFAULT_DURATION_MS = 10_000;
const DEFAULT_ZIPKIN = "http://localhost:9411";

function defaultBackend(target: LoadTarget | null, zipkin: string | null): Backend {
  if (target?.collector) return { kind: "collector", url: target.collector };
  return { kind: "zipkin", url: zipkin ?? DEFAULT_ZIPKIN };
}

async function readGraph(file: string) {
  const { readTopologyFile } = await import("./topology-input.ts");
  return readTopologyFile(file, false);
}

async function openReader({ kind, url }: Backend) {
  if (kind === "jaeger" || kind === "tempo") {
    const { OtlpReader } = await import("../verify/otlp-reader.ts");
    return new OtlpReader(kind, url);
  }
  const { ZipkinReader } = await import("../verify/zipkin-reader.ts");
  return new ZipkinReader(url, kind === "zipkin" ? "Zipkin" : "collector");
}

/** The ledger of an earlier run, from a file or from a load generator that serves it. */
async function openBook(from: string): Promise<RunBook> {
  const [{ errorText, UserError }, { RunBook }] = await Promise.all([
    import("../lib/errors.ts"),
    import("../verify/run-book.ts"),
  ]);
  try {
    if (!from.includes("://")) return RunBook.parse(await Bun.file(from).bytes(), from);
    const url = new URL(from);
    if (url.pathname === "/") url.pathname = "/ledger";
    const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
    if (!response.ok) throw new Error(`${url} answers ${response.status}`);
    if (Number(response.headers.get("chain-link-first-record") ?? 0) > 0) {
      throw new Error(
        "the load generator has let go of its first records; read the file of --ledger instead",
      );
    }
    return RunBook.parse(await response.bytes(), from);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      "ledger-unreadable",
      `cannot read the ledger ${from}: ${errorText(error)}`,
      undefined,
      {
        cause: error,
      },
    );
  }
}

type Sending = Pick<
  Parameters<typeof import("../load/generator.ts").startLoad>[0],
  "pace" | "timeoutMs" | "durationMs" | "maxRequests" | "sampleShare"
>;

async function send(url: string, options: Sending) {
  const [{ startLoad, DEFAULT_CONNECTIONS }, { RunIds, newRunId }, { randomSource }, { RunBook }] =
    await Promise.all([
      import("../load/generator.ts"),
      import("../trace/run.ts"),
      import("../lib/random.ts"),
      import("../verify/run-book.ts"),
    ]);
  const ids = new RunIds(newRunId());
  const book = new RunBook({ run: ids.runId, startMs: Date.now(), url });
  const load = startLoad({
    ...options,
    url,
    method: "GET",
    headers: [],
    body: null,
    connections: DEFAULT_CONNECTIONS,
    warmUpMs: 0,
    ids,
    randomOf: randomSource(null),
    onEnd: (record) => book.add(record),
  });
  return { book, ended: load.done, stop: () => load.stop(), missed: () => load.results.missed };
}

/** On a terminal, one line that says how far the work is. */
function progressLine(output: Output) {
  if (!output.isTerminal || output.verbosity === "quiet") return { show: () => {}, end: () => {} };
  return {
    show: ({ requests, settled, leftMs }: { requests: number; settled: number; leftMs: number | null }) => {
      const wait = leftMs === null ? "" : `, at most ${Math.ceil(leftMs / 1000)} s more`;
      output.raw(`\r\x1b[K${requests} requests, ${settled} traces settled${wait}`);
    },
    end: () => output.raw("\r\x1b[K"),
  };
}

async function writeFiles(
  { junit, report }: { readonly junit: string | null; readonly report: string | null },
  result: import("../verify/result.ts").VerifyResult,
): Promise<void> {
  const write = async (file: string, text: string) => {
    try {
      await Bun.write(file, text);
    } catch (error) {
      const { errorText, UserError } = await import("../lib/errors.ts");
      throw new UserError("file-unwritable", `cannot write ${file}: ${errorText(error)}`, undefined, {
        cause: error,
      });
    }
  };
  if (junit !== null) await write(junit, (await import("../verify/junit.ts")).renderJunit(result));
  if (report !== null)
    await write(report, (await import("../verify/report-page.ts")).renderReportPage(result));
}
