import { formatCount } from "../../lib/count.ts";
import type { Load } from "../../load/generator.ts";
import type { RunLedgerWriter } from "../../load/run-ledger-writer.ts";
import { ARRIVALS } from "../../load/schedule.ts";
import { idleTargetFlags, openTarget, TARGET_FLAGS, withDefaults } from "../common/load-target.ts";
import { PACE_FLAGS, rateOf, wasGiven } from "../common/pace-flags.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import {
  checkedFlag,
  choiceFlag,
  durationFlag,
  headerFlag,
  integerFlag,
  listenFlag,
  percentageFlag,
  switchFlag,
  textFlag,
} from "../shell/flags.ts";
import { outputFlag } from "../shell/global-flags.ts";
import { watchInterrupts } from "../shell/interrupt.ts";

const MAX_CONNECTIONS = 16_384;

/** After SIGTERM, Docker kills after 10 s and Kubernetes after 30 s: results must be printed before that. */
const LAST_ANSWERS_MS = 8000;

export const load = defineCommand({
  examples: [
    {
      line: "chain-link load http://localhost:8000 --rate 200/s --duration 10s",
      says: "send 2,000 requests",
    },
    {
      line: "chain-link load http://localhost:8000 --connections 16 --duration 10s",
      says: "keep 16 requests in flight",
    },
    {
      line: "chain-link load shop.yaml --rate 100..1000/30s --warm-up 5s",
      says: "start a topology on this machine and raise the rate",
    },
    {
      line: "chain-link load http://localhost:8000 --rate 50/s --requests 1000 --ledger run.ledger",
      says: "write the ledger that verify reads",
    },
    {
      line: "chain-link load http://chain-link-service-0 --sleep-time 60",
      says: "send one request a minute until stopped",
    },
  ],
  operands: {
    usage: "[URL|TOPOLOGY]",
    summary: "Target URL, or a topology document (- reads standard input) to start on this machine.",
    min: 0,
    max: 1,
  },
  idleFlags: ({ operands }) => idleTargetFlags(operands),
  flags: {
    ...PACE_FLAGS,
    arrivals: choiceFlag("constant", ARRIVALS, {
      summary: "Send requests at even intervals, or at random times with the same mean rate.",
    }),
    connections: integerFlag(
      null,
      { min: 1, max: MAX_CONNECTIONS },
      {
        summary: "With a rate: maximum requests in flight. Without: number of requests kept in flight.",
        short: "c",
        fallbackText: "1024 with a rate",
      },
    ),
    duration: durationFlag(null, {
      summary: "Stop after this long; a ramp stops when it reaches its final rate.",
    }),
    requests: integerFlag(null, { min: 1, max: 1e9 }, { summary: "Stop after this many requests." }),
    "warm-up": durationFlag(0, {
      summary: "How long to send requests before counting starts.",
      fallbackText: "none",
    }),
    "wait-for-target": durationFlag(0, {
      summary: "Wait up to this long for the target to answer without 502, 503 or 504.",
      fallbackText: "do not wait",
    }),
    timeout: durationFlag(60_000, { summary: "Timeout of a request.", fallbackText: "1m" }),
    header: headerFlag({ summary: "Header of every request; may be repeated.", short: "H", env: [] }),
    method: textFlag("GET", { summary: "HTTP method.", placeholder: "METHOD" }),
    body: textFlag(null, { summary: "Body of every request." }),
    insecure: switchFlag({ summary: "Do not verify TLS certificates." }),
    sample: percentageFlag(1, { summary: "Share of requests to sample." }),
    run: checkedFlag(null, (text) => /^(?!0{16})[0-9a-f]{16}$/.test(text), "16 hex digits in lower case", {
      summary: "Run ID; all trace IDs of the run start with it.",
      placeholder: "ID",
      fallbackText: "a new one",
      env: [],
    }),
    ledger: textFlag(null, {
      summary: "Write the run's ledger for verify to this file (32 bytes per request).",
      placeholder: "FILE",
      completes: "file",
      // In the pods of links, CHAIN_LINK_LEDGER is a switch.
      env: [],
    }),
    hdr: textFlag(null, {
      summary: "Write latencies to this file as HdrHistogram percentiles (.hgrm).",
      placeholder: "FILE",
      completes: "file",
    }),
    serve: listenFlag({
      summary: "Serve /ledger (the last million records), /metrics and /health during the run.",
    }),
    linger: durationFlag(0, {
      summary: "Keep serving for this long after the run ends.",
      fallbackText: "none",
    }),
    ...TARGET_FLAGS,
    seed: textFlag(null, {
      summary: "Seed for random arrivals, sampling and link behavior; same seed, same draws.",
    }),
    output: outputFlag(["table", "json"], "table", "Output format of the results."),
  },
  async run({ flags, operands, settings, output }) {
    const [
      { startLoad, DEFAULT_CONNECTIONS },
      { RunIds, newRunId },
      { randomSource },
      summary,
      { LoadLine },
    ] = await Promise.all([
      import("../../load/generator.ts"),
      import("../../trace/run.ts"),
      import("../../lib/random.ts"),
      import("../common/load-summary.ts"),
      import("./load-line.ts"),
    ]);
    const [{ checkRequest }, { checkResultFile, writeResultFile }] = await Promise.all([
      import("./load-check.ts"),
      import("../../lib/result-file.ts"),
    ]);
    checkRequest(flags);
    if (flags.hdr !== null) checkResultFile(flags.hdr);
    const rate = rateOf(flags, settings);
    const isClosed =
      flags.connections !== null && !wasGiven(settings, "rate") && !wasGiven(settings, "sleep-time");
    const isRamp = !isClosed && rate.rampMs > 0;
    const endsByRamp = isRamp && flags.duration === null && flags.requests === null;
    const target = await openTarget(operands[0], flags, settings, output);
    const interruption = watchInterrupts(() => output.print("\n"));
    const interrupted = new AbortController();
    void interruption.signal.then(() => interrupted.abort());
    let running: Load | null = null;
    let ledger: RunLedgerWriter | null = null;
    let server: { close(): Promise<void> } | null = null;
    try {
      const ids = new RunIds(flags.run ?? newRunId());
      const runStartMs = Date.now();
      if (flags.ledger !== null || flags.serve !== null) {
        const { RunLedgerWriter } = await import("../../load/run-ledger-writer.ts");
        const header = { run: ids.runId, startMs: runStartMs, url: target.url };
        ledger = new RunLedgerWriter({ header, file: flags.ledger, isKept: flags.serve !== null });
      }
      if (flags.serve !== null && ledger !== null) {
        const [{ startRunServer }, { describeRejection }] = await Promise.all([
          import("../../load/run-server.ts"),
          import("../../http/rejections.ts"),
        ]);
        const started = startRunServer({
          ...flags.serve,
          load: () => running,
          ledger,
          onRejection: (rejection) => output.detail(describeRejection(rejection)),
        });
        server = started;
        output.note(`run ${ids.runId}, ledger and metrics on http://${flags.serve.host}:${started.port}`);
      }
      if (flags["wait-for-target"] > 0) {
        const { waitForTarget } = await import("../../load/target-wait.ts");
        await waitForTarget({
          url: target.url,
          withinMs: flags["wait-for-target"],
          isTlsChecked: !flags.insecure,
          signal: interrupted.signal,
        });
      }
      const kept = ledger;
      running = startLoad({
        runStartMs,
        url: target.url,
        method: flags.method,
        headers: withDefaults(flags.header, target.headers),
        body: flags.body,
        pace: isClosed ? { kind: "closed" } : { kind: "open", rate, arrivals: flags.arrivals },
        connections: flags.connections ?? DEFAULT_CONNECTIONS,
        timeoutMs: flags.timeout,
        warmUpMs: flags["warm-up"],
        durationMs: endsByRamp ? rate.rampMs : flags.duration,
        maxRequests: flags.requests,
        ids,
        sampleShare: flags.sample,
        randomOf: randomSource(flags.seed),
        isTlsChecked: !flags.insecure,
        ...(kept === null ? {} : { onEnd: (record) => kept.add(record) }),
      });
      if (output.isTerminal && target.page !== null) output.note(`traces at ${target.page} during the run`);
      const line = new LoadLine(output, running);
      const ends: Promise<unknown>[] = [interruption.signal, running.done];
      if (ledger !== null) ends.push(ledger.failed);
      const reason = await Promise.race(ends).finally(() => line.end());
      if (reason !== undefined && running.results.inFlight > 0)
        output.note(
          `waiting for ${formatCount(running.results.inFlight, "request")} in flight; press Ctrl-C to stop immediately`,
        );
      await running.stop(reason === "SIGTERM" ? LAST_ANSWERS_MS : undefined);
      ledger?.end();
      const result = summary.summarizeResults(running.results, !isClosed);
      const [{ renderHgrm }, { describeDoubts, renderReport }] = await Promise.all([
        import("../../load/hgrm.ts"),
        import("./load-report.ts"),
      ]);
      try {
        if (flags.hdr !== null) writeResultFile(flags.hdr, renderHgrm(running.results.latency));
      } finally {
        // Print results even if the file could not be written.
        if (flags.output === "json") {
          const facts = {
            run: running.runId,
            url: target.url,
            startedAt: new Date(running.startedAt),
            ...result,
            doubts: describeDoubts(result, running.options.connections),
          };
          await output.result(`${JSON.stringify(facts)}\n`);
        } else {
          await output.result(renderReport(result, running));
        }
      }
      if (server !== null && reason === undefined && flags.linger > 0)
        await Promise.race([interruption.signal, Bun.sleep(flags.linger)]);
      const isWhole = await target.stop();
      if (reason === "SIGINT") return EXIT.interrupted;
      const isDone = result.failed === 0 && result.isRateReached !== false && isWhole;
      return isDone ? EXIT.done : EXIT.failed;
    } catch (error) {
      void running?.stop();
      await target.stop();
      throw error;
    } finally {
      ledger?.close();
      await server?.close();
    }
  },
});
