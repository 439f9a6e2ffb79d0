import { defineCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { watchInterrupts } from "./interrupt.ts";
import type { LoadTarget } from "./load-target.ts";
import { openTarget } from "./load-target.ts";
import type { Output } from "./output.ts";
import type { Setting } from "./settings.ts";
import { checkFlags, VERIFY_FLAGS, type VerifyValues } from "./verify-flags.ts";

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
  flags: VERIFY_FLAGS,
  async run({ flags, operands, settings, output }) {
    checkFlags(flags, operands, settings);
    const { endUnread } = await import("./verify-ending.ts");
    const interruption = watchInterrupts(() => output.raw("\n"));
    const abort = new AbortController();
    void interruption.signal.then(() => abort.abort(new Error("interrupted")));
    let target: LoadTarget | null = null;
    try {
      target = flags.run === null ? await openTarget(operands[0], flags, settings, output) : null;
      const prove = flags.propagation ? provePropagation : proveSpans;
      return await prove({ flags, settings, output, target, signal: abort.signal });
    } catch (error) {
      if (abort.signal.aborted) return EXIT.interrupted;
      const code = endUnread(error, output);
      if (code === null) throw error;
      return code;
    } finally {
      await target?.stop();
    }
  },
});

interface Proof {
  readonly flags: VerifyValues;
  readonly settings: readonly Setting[];
  readonly output: Output;
  /** What is sent to; `null` when an earlier run is judged. */
  readonly target: LoadTarget | null;
  readonly signal: AbortSignal;
}

async function proveSpans({ flags, settings, output, target, signal }: Proof): Promise<number> {
  const [{ reconcile }, { resultOf }, { graphOf }] = await Promise.all([
    import("../verify/reconcile.ts"),
    import("../verify/result.ts"),
    import("../verify/call-graph.ts"),
  ]);
  const [{ attributeLosses }, { instancesOf, readCounters }, { BackendWatch }] = await Promise.all([
    import("../verify/attribution.ts"),
    import("../verify/counters.ts"),
    import("../verify/backend-watch.ts"),
  ]);
  const [{ openRun, sendRun }, { defaultBackend, openReader }, { endVerify }] = await Promise.all([
    import("./verify-run.ts"),
    import("./verify-backend.ts"),
    import("./verify-ending.ts"),
  ]);
  const topology = flags.graph === null ? target?.topology : await readGraph(flags.graph);
  const backend = flags.backend ?? defaultBackend(target, flags.zipkin);
  const links = instancesOf(new Map([...(target?.links ?? []), ...flags.links]));
  const before = flags.run === null ? await readCounters(links, backend) : null;
  signal.throwIfAborted();
  const watch = new BackendWatch(backend, before?.backend ?? null);
  const run = target === null ? await openRun(flags.run ?? "") : sendRun(target.url, flags, settings);
  signal.addEventListener("abort", () => void run.stop());
  const reader = await openReader(backend);
  const line = progressLine(output);
  const reconciliation = await reconcile({
    book: run.book,
    isWholeRun: run.isWhole,
    reader,
    countRestarts: () => watch.countRestarts(),
    graph: topology === undefined ? null : graphOf(topology),
    ended: run.ended,
    maxWaitMs: flags["max-wait"],
    queriesPerSecond: flags["query-rate"],
    signal,
    onProgress: line.show,
  }).finally(line.end);
  const after = { ...(await readCounters(links, backend)), backend: await watch.end() };
  const missed = run.missed();
  if (missed > 0) output.warn(`the rate was not reached: ${missed} requests were due and never sent`);
  const { tally } = reconciliation;
  const result = resultOf(reconciliation, {
    run: run.book.header.run,
    url: run.book.header.url,
    backend: reader.name,
    allowedLoss: flags["allow-loss"],
    losses: tally.missing === 0 ? [] : attributeLosses(tally, before, after),
    pageOf: (traceId) => reader.pageOf(traceId),
  });
  return endVerify(result, flags, output);
}

async function provePropagation({ flags, output, target, signal }: Proof): Promise<number> {
  const [{ verifyPropagation }, { renderPropagation }, { defaultBackend, openReader }] = await Promise.all([
    import("../verify/propagation-run.ts"),
    import("./propagation-report.ts"),
    import("./verify-backend.ts"),
  ]);
  const reader = await openReader(flags.backend ?? defaultBackend(target, flags.zipkin));
  const result = await verifyPropagation({
    url: target?.url ?? "",
    reader,
    requestsPerForm: flags.requests ?? 1,
    timeoutMs: flags.timeout,
    maxWaitMs: flags["max-wait"],
    queriesPerSecond: flags["query-rate"],
    signal,
  });
  await output.result(
    flags.output === "json" ? `${JSON.stringify(result)}\n` : renderPropagation(result, reader),
  );
  return { kept: EXIT.done, broken: EXIT.failed, "could-not-tell": EXIT.couldNotTell }[result.outcome];
}

async function readGraph(file: string) {
  const { readTopologyFile } = await import("./topology-input.ts");
  return readTopologyFile(file, false);
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
