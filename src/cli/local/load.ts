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

/** Who sends SIGTERM kills soon, Docker after 10 s and Kubernetes after 30: the results have to be there before. */
const LAST_ANSWERS_MS = 8000;

export const load = defineCommand({
  examples: [
    { line: "chain-link load http://localhost:8000 --rate 200/s --duration 10s", says: "2,000 requests" },
    {
      line: "chain-link load http://localhost:8000 --connections 16 --duration 10s",
      says: "16 at a time, as fast as they are answered",
    },
    {
      line: "chain-link load shop.yaml --rate 100..1000/30s --warm-up 5s",
      says: "a topology on this machine, and a ramp",
    },
    {
      line: "chain-link load http://localhost:8000 --rate 50/s --requests 1000 --ledger run.ledger",
      says: "with the account that verify reads",
    },
    { line: "chain-link load http://chain-link-service-0 --sleep-time 60", says: "one a minute, for ever" },
  ],
  operands: {
    usage: "[URL|TOPOLOGY]",
    summary: "Where requests go; a topology document (- reads standard input) is started on this machine.",
    min: 0,
    max: 1,
  },
  idleFlags: ({ operands }) => idleTargetFlags(operands),
  flags: {
    ...PACE_FLAGS,
    arrivals: choiceFlag("constant", ARRIVALS, {
      summary: "Requests in even steps, or at random moments with the same mean rate.",
    }),
    connections: integerFlag(
      null,
      { min: 1, max: MAX_CONNECTIONS },
      {
        summary:
          "With a rate: requests under way at once, at most. Without: always as many, as fast as they are answered.",
        short: "c",
        fallbackText: "1024 with a rate",
      },
    ),
    duration: durationFlag(null, { summary: "End by itself after this time; a ramp ends with its climb." }),
    requests: integerFlag(null, { min: 1, max: 1e9 }, { summary: "End by itself after so many requests." }),
    "warm-up": durationFlag(0, {
      summary: "Send for so long before anything is counted.",
      fallbackText: "none",
    }),
    "wait-for-target": durationFlag(0, {
      summary:
        "First wait up to this long until the target answers with something other than 502, 503 or 504.",
      fallbackText: "do not wait",
    }),
    timeout: durationFlag(60_000, { summary: "Limit of a request.", fallbackText: "1m" }),
    header: headerFlag({ summary: "A header of each request; may be repeated.", short: "H", env: [] }),
    method: textFlag("GET", { summary: "The method.", placeholder: "METHOD" }),
    body: textFlag(null, { summary: "The body of each request." }),
    insecure: switchFlag({ summary: "Trust any certificate." }),
    sample: percentageFlag(1, { summary: "The share of requests that ask to be recorded." }),
    run: checkedFlag(null, (text) => /^(?!0{16})[0-9a-f]{16}$/.test(text), "16 hex digits in lower case", {
      summary: "The run id, which begins all of its trace ids.",
      placeholder: "ID",
      fallbackText: "a new one",
      env: [],
    }),
    ledger: textFlag(null, {
      summary: "Write the ledger of the run: 28 bytes for each request, for verify.",
      placeholder: "FILE",
      completes: "file",
      // A switch of links, in their pods.
      env: [],
    }),
    hdr: textFlag(null, {
      summary: "Write the latencies as an HdrHistogram percentile file (.hgrm).",
      placeholder: "FILE",
      completes: "file",
    }),
    serve: listenFlag({
      summary:
        "Serve /ledger, /metrics and /health while the run lasts; the last million records of the account.",
    }),
    linger: durationFlag(0, { summary: "Go on serving for so long after the end.", fallbackText: "none" }),
    ...TARGET_FLAGS,
    seed: textFlag(null, {
      summary: "Draw the same arrivals and samples (and behavior of links) in each run.",
    }),
    output: outputFlag(["table", "json"], "table", "How to print the results."),
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
    let account: RunLedgerWriter | null = null;
    let server: { close(): Promise<void> } | null = null;
    try {
      const ids = new RunIds(flags.run ?? newRunId());
      const runStartMs = Date.now();
      if (flags.ledger !== null || flags.serve !== null) {
        const { RunLedgerWriter } = await import("../../load/run-ledger-writer.ts");
        const header = { run: ids.runId, startMs: runStartMs, url: target.url };
        account = new RunLedgerWriter({ header, file: flags.ledger, isKept: flags.serve !== null });
      }
      if (flags.serve !== null && account !== null) {
        const [{ startRunServer }, { describeRejection }] = await Promise.all([
          import("../../load/run-server.ts"),
          import("../../http/rejections.ts"),
        ]);
        const started = startRunServer({
          ...flags.serve,
          load: () => running,
          ledger: account,
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
      const kept = account;
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
      if (output.isTerminal && target.page !== null) output.note(`traces on ${target.page} while this runs`);
      const line = new LoadLine(output, running);
      const ends: Promise<unknown>[] = [interruption.signal, running.done];
      if (account !== null) ends.push(account.failed);
      const reason = await Promise.race(ends).finally(() => line.end());
      if (reason !== undefined && running.results.inFlight > 0)
        output.note(`waiting for ${running.results.inFlight} requests; Ctrl-C ends at once`);
      await running.stop(reason === "SIGTERM" ? LAST_ANSWERS_MS : undefined);
      account?.end();
      const result = summary.summarizeResults(running.results, !isClosed);
      const [{ renderHgrm }, { describeDoubts, renderReport }] = await Promise.all([
        import("../../load/hgrm.ts"),
        import("./load-report.ts"),
      ]);
      try {
        if (flags.hdr !== null) writeResultFile(flags.hdr, renderHgrm(running.results.latency));
      } finally {
        // Also when the file could not be written: the run was made.
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
      account?.close();
      await server?.close();
    }
  },
});
