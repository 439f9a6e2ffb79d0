import { formatCount } from "../../lib/count.ts";
import { type Endpoint, fetchAs } from "../../lib/endpoint.ts";
import type { Counters } from "../../verify/backend/counters.ts";
import type { Stage } from "../../verify/backend/stage-counters.ts";
import type { LoadTarget } from "../common/load-target.ts";
import { openTarget } from "../common/load-target.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import { watchInterrupts } from "../shell/interrupt.ts";
import type { Output } from "../shell/output.ts";
import type { Setting } from "../shell/settings.ts";
import { checkFlags, idleVerifyFlags } from "./verify-checks.ts";
import { allowanceOf, VERIFY_FLAGS, type VerifyValues } from "./verify-flags.ts";
import type { JudgedRun } from "./verify-run.ts";
import type { Scene } from "./verify-scene.ts";

export const verify = defineCommand({
  examples: [
    {
      line: "chain-link verify shop.yaml --rate 200/s --duration 60s",
      says: "start a topology, send requests, and check its spans",
    },
    {
      line: "chain-link verify http://localhost:8000 --rate 50/s --requests 1000 --backend zipkin=http://localhost:9411",
      says: "check a running service against a Zipkin",
    },
    {
      line: "chain-link verify --run run.ledger --backend zipkin=http://localhost:9411 --junit verify.xml",
      says: "check an earlier run of 'load --ledger run.ledger'",
    },
    {
      line: "chain-link verify --forever http://localhost:8000 --backend zipkin=http://localhost:9411 --serve 8080",
      says: "run as a canary with Prometheus metrics",
    },
    {
      line: "chain-link verify --release shop -n shop --rate 200/s --duration 60s",
      says: "check a release in a cluster, without a port-forward",
    },
    {
      line: "chain-link verify --propagation http://localhost:8000 --backend zipkin=http://localhost:9411",
      says: "check which propagation formats every edge keeps",
    },
  ],
  operands: {
    usage: "[URL|TOPOLOGY]",
    summary: "Target URL, or a topology document (- reads standard input) to start on this machine.",
    min: 0,
    max: 1,
  },
  idleFlags: idleVerifyFlags,
  flags: VERIFY_FLAGS,
  async run({ flags, operands, settings, output }) {
    checkFlags(flags, operands, settings);
    const { endWithError, prepareFiles } = await import("./verify-ending.ts");
    const interruption = watchInterrupts(() => {
      output.print("\n");
      process.exit(EXIT.interrupted);
    });
    const abort = new AbortController();
    void interruption.signal.then(() => abort.abort(new Error("interrupted")));
    let target: LoadTarget | null = null;
    try {
      prepareFiles(flags);
      const isElsewhere = flags.run !== null || flags.release !== null;
      target = isElsewhere ? null : await openTarget(operands[0], flags, settings, output);
      const prove = flags.propagation ? provePropagation : flags.forever ? proveForever : proveSpans;
      return await prove({ flags, settings, output, target, signal: abort.signal });
    } catch (error) {
      const code = endWithError(error, output);
      if (abort.signal.aborted) {
        if (code === null) output.note("interrupted: nothing was judged");
        return EXIT.interrupted;
      }
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
  /** Target of requests from this machine; `null` for an earlier run or a release. */
  readonly target: LoadTarget | null;
  readonly signal: AbortSignal;
}

async function proveSpans(proof: Proof): Promise<number> {
  const { flags, output, signal } = proof;
  const [{ reconcile }, { Inquiry }, { resultOf }, { graphOf }] = await Promise.all([
    import("../../verify/run/reconcile.ts"),
    import("../../verify/backend/inquiry.ts"),
    import("../../verify/result/result.ts"),
    import("../../verify/judge/call-graph.ts"),
  ]);
  const [{ readStages, readStagesLeniently }, { doubtSampling }] = await Promise.all([
    import("../../verify/backend/stage-counters.ts"),
    import("../../verify/run/stage-losses.ts"),
  ]);
  const { surveyPlatform } = await import("../../verify/run/survey.ts");
  const [
    { attributeLosses },
    { countRecorded, findUntraced, readCounters },
    { BackendWatch },
    { endVerify },
    { linkPages },
  ] = await Promise.all([
    import("../../verify/run/attribution.ts"),
    import("../../verify/backend/counters.ts"),
    import("../../verify/backend/backend-watch.ts"),
    import("./verify-ending.ts"),
    import("./verify-backend.ts"),
  ]);
  const scene = await openProofScene(proof);
  const { subject, topology, backend, findInstances, begin } = scene;
  const reader = linkPages(scene.reader, flags, proof.target);
  const graph = flags.graph === null ? topology : await readGraph(flags.graph);
  const stages = flags["collector-metrics"].map(toStage);
  const stageNames = stages.map(({ url }, at) => `collector ${at + 1} (${new URL(url).host})`);
  const stagesBefore = await readStages(stages);
  const before =
    flags.run === null
      ? { ...(await readCounters(await findInstances(), backend)), stages: stagesBefore }
      : null;
  signal.throwIfAborted();
  const watch = new BackendWatch(backend, before?.backend ?? null);
  const run = await begin(signal);
  const line = progressLine(output);
  const hurry = endAtSignal(run, signal, output, line);
  try {
    const last: { counters: Counters | null } = { counters: null };
    const reconciliation = await reconcile({
      ledger: run.ledger,
      isWholeRun: () => run.isWhole(),
      reader,
      countRestarts: () => watch.countRestarts(),
      inquiry: new Inquiry(findInstances),
      maxExamples: flags.examples,
      countRecorded: async () =>
        before === null ? null : countRecorded(before, await readCounters(await findInstances(), backend)),
      isSamplingAllowed: flags["sampled-out"] === "ok",
      keptExpectations: flags["expect-kept"],
      beforeLast: async () => {
        const counters = await readCounters(await findInstances(), backend);
        // After the links and in pipeline order, so that no span in transit looks lost.
        const stagesNow = await readStagesLeniently(stages);
        last.counters = { ...counters, stages: stagesNow, backend: await watch.read() };
      },
      graph: graph === undefined ? null : graphOf(graph),
      ended: run.ended,
      maxWaitMs: flags["max-wait"],
      queriesPerSecond: flags["query-rate"],
      // A second signal exits the process instead.
      signal: new AbortController().signal,
      hurry,
      onProgress: line.show,
    }).finally(() => {
      line.end();
      watch.end();
    });
    const missed = run.missed();
    if (missed > 0) {
      const were = missed === 1 ? "was" : "were";
      output.warn(`the rate was not reached: ${formatCount(missed, "request")} ${were} due but never sent`);
    }
    if (run.cut !== null) output.warn(run.cut);
    const { header } = run.ledger;
    const known = reconciliation.graph?.services.keys();
    const platform = await surveyPlatform({
      ledger: run.ledger,
      reader,
      services: known === undefined ? null : new Set(known),
      endMs: reconciliation.tally.lastEndMs,
      expectations: flags.expect,
      maxWaitMs: flags["max-wait"],
      queriesPerSecond: flags["query-rate"],
      signal: new AbortController().signal,
      hurry,
    });
    const result = resultOf(reconciliation, {
      subject,
      run: header.run,
      url: header.url,
      startedMs: header.startMs,
      backend: reader.name,
      hasCutIds: reader.hasCutIds,
      untraced: findUntraced(last.counters ?? before),
      allowed: allowanceOf(flags),
      losses:
        last.counters === null
          ? []
          : attributeLosses(
              reconciliation.tally,
              before,
              last.counters,
              null,
              reconciliation.hasForgotten,
              stageNames,
            ),
      isSamplingAllowed: flags["sampled-out"] === "ok",
      samplingDoubt: doubtSampling(stageNames, before?.stages ?? null, last.counters?.stages ?? []),
      pageOf: (traceId) => reader.pageOf(traceId),
      cut: run.cut,
      failures: run.failures,
      platform,
    });
    const code = await endVerify(result, flags, output);
    return signal.aborted ? EXIT.interrupted : code;
  } finally {
    await run.close();
  }
}

/** A URL without a path is that of the metrics' server. */
function toStage({ url, headers }: Endpoint): Stage {
  const { pathname } = new URL(url);
  return { url: pathname === "/" ? new URL("/metrics", url).href : url, fetch: fetchAs({ headers }) };
}

/** While requests are being sent, an interrupt stops sending. Afterwards it aborts the returned signal, which ends the wait for spans. */
function endAtSignal(
  run: JudgedRun,
  signal: AbortSignal,
  output: Output,
  line: ReturnType<typeof progressLine>,
): AbortSignal {
  const hurry = new AbortController();
  let isSending = true;
  const onEnd = () => {
    isSending = false;
  };
  run.ended.then(onEnd, onEnd);
  const onSignal = () => {
    line.end();
    const count = run.sent();
    const requests = formatCount(count, "request");
    const judged = isSending ? `the ${requests} sent so far` : `what has arrived for ${requests}`;
    output.note(`interrupted: judging ${judged}; press Ctrl-C again to stop immediately`);
    if (isSending) void run.stop();
    else hurry.abort();
  };
  if (signal.aborted) onSignal();
  else signal.addEventListener("abort", onSignal, { once: true });
  return hurry.signal;
}

async function openProofScene({ flags, settings, output, target }: Proof): Promise<Scene> {
  if (flags.release !== null) {
    const { openReleasedScene } = await import("./verify-release.ts");
    return openReleasedScene(flags.release, flags, settings, output);
  }
  const { openScene } = await import("./verify-scene.ts");
  return openScene(flags, settings, target);
}

async function proveForever({ flags, settings, output, target, signal }: Proof): Promise<number> {
  const [{ verifyForever }, { graphOf }, { defaultBackend, linkPages, openReader, reach }] =
    await Promise.all([
      import("./verify-forever.ts"),
      import("../../verify/judge/call-graph.ts"),
      import("./verify-backend.ts"),
    ]);
  if (target === null) return EXIT.usage;
  const topology = flags.graph === null ? target.topology : await readGraph(flags.graph);
  const graph = topology === undefined ? null : graphOf(topology);
  const backend = flags.backend === null ? defaultBackend(target, flags.zipkin) : reach(flags.backend);
  const reader = linkPages(await openReader(backend), flags, target);
  return verifyForever({ flags, settings, output, target, graph, backend, reader, signal });
}

async function provePropagation({ flags, output, target, signal }: Proof): Promise<number> {
  const [
    { verifyPropagation },
    { renderPropagation },
    { writeAndPrint },
    { defaultBackend, linkPages, openReader, reach },
    { subjectOf },
  ] = await Promise.all([
    import("../../verify/propagation/propagation-run.ts"),
    import("./propagation-report.ts"),
    import("./verify-ending.ts"),
    import("./verify-backend.ts"),
    import("./verify-scene.ts"),
  ]);
  const reader = linkPages(
    await openReader(flags.backend === null ? defaultBackend(target, flags.zipkin) : reach(flags.backend)),
    flags,
    target,
  );
  const result = await verifyPropagation({
    subject: subjectOf(target),
    url: target?.url ?? "",
    headers: target?.headers ?? {},
    reader,
    requestsPerForm: flags.requests ?? 1,
    timeoutMs: flags.timeout,
    maxWaitMs: flags["max-wait"],
    queriesPerSecond: flags["query-rate"],
    signal,
  });
  await writeAndPrint(flags, result, (it) => renderPropagation(it, reader), output);
  return { kept: EXIT.done, broken: EXIT.failed, "could-not-tell": EXIT.couldNotTell }[result.outcome];
}

async function readGraph(file: string) {
  const { readTopologyFile } = await import("../common/topology-input.ts");
  return readTopologyFile(file, false);
}

/** Shows progress in one line on a terminal; prints nothing elsewhere. */
function progressLine(output: Output) {
  if (!output.isTerminal || output.verbosity === "quiet") return { show: () => {}, end: () => {} };
  return {
    show: ({ requests, settled, leftMs }: { requests: number; settled: number; leftMs: number | null }) => {
      const wait = leftMs === null ? "" : `, at most ${Math.ceil(leftMs / 1000)} s more`;
      output.clearLine();
      output.print(`${formatCount(requests, "request")}, ${formatCount(settled, "trace")} settled${wait}`);
    },
    end: () => output.clearLine(),
  };
}
