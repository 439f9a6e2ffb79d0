import { formatCount } from "../../lib/count.ts";
import { randomSource } from "../../lib/random.ts";
import { writeResultFile } from "../../lib/result-file.ts";
import { DEFAULT_CONNECTIONS, type Load, startLoad } from "../../load/generator.ts";
import type { RunLedgerWriter } from "../../load/run-ledger-writer.ts";
import type { Rate } from "../../load/schedule.ts";
import { newRunId, RunIds } from "../../trace/run.ts";
import { summarizeResults } from "../common/load-summary.ts";
import { type LoadTarget, withDefaults } from "../common/load-target.ts";
import { EXIT } from "../shell/exit.ts";
import { watchInterrupts } from "../shell/interrupt.ts";
import type { Output } from "../shell/output.ts";
import type { LoadValues } from "./load-flags.ts";
import { LoadLine } from "./load-line.ts";

/** After SIGTERM, Docker kills after 10 s and Kubernetes after 30 s: results must be printed before that. */
const LAST_ANSWERS_MS = 8000;

interface LoadRunOptions {
  readonly flags: LoadValues;
  /** `null` for a closed loop, which sends a request as soon as one is answered. */
  readonly rate: Rate | null;
  readonly target: LoadTarget;
  readonly output: Output;
}

type Signal = "SIGINT" | "SIGTERM";

/** One run of `chain-link load`, from its ledger to its results. */
export class LoadRun {
  readonly #options: LoadRunOptions;
  readonly #ids: RunIds;
  readonly #startMs = Date.now();
  readonly #interrupted: Promise<Signal>;
  #load: Load | null = null;
  #ledger: RunLedgerWriter | null = null;
  #server: { close(): Promise<void> } | null = null;

  constructor(options: LoadRunOptions) {
    this.#options = options;
    this.#ids = new RunIds(options.flags.run ?? newRunId());
    this.#interrupted = watchInterrupts(() => options.output.print("\n")).signal;
  }

  /** @returns the exit code */
  async run(): Promise<number> {
    const { target } = this.#options;
    try {
      await this.#openLedger();
      await this.#serve();
      await this.#waitForTarget();
      const load = this.#start();
      const signal = await this.#finish(load);
      const isDone = await this.#printResults(load);
      if (signal === undefined) await this.#linger();
      const isWhole = await target.stop();
      if (signal === "SIGINT") return EXIT.interrupted;
      return isDone && isWhole ? EXIT.done : EXIT.failed;
    } catch (error) {
      void this.#load?.stop();
      await target.stop();
      throw error;
    } finally {
      this.#ledger?.close();
      await this.#server?.close();
    }
  }

  async #openLedger(): Promise<void> {
    const { flags, target } = this.#options;
    if (flags.ledger === null && flags.serve === null) return;
    const { RunLedgerWriter } = await import("../../load/run-ledger-writer.ts");
    const header = { run: this.#ids.runId, startMs: this.#startMs, url: target.url };
    this.#ledger = new RunLedgerWriter({ header, file: flags.ledger, isKept: flags.serve !== null });
  }

  async #serve(): Promise<void> {
    const { flags, output } = this.#options;
    if (flags.serve === null || this.#ledger === null) return;
    const [{ startRunServer }, { describeRejection }] = await Promise.all([
      import("../../load/run-server.ts"),
      import("../../http/rejections.ts"),
    ]);
    const server = startRunServer({
      ...flags.serve,
      load: () => this.#load,
      ledger: this.#ledger,
      onRejection: (rejection) => output.detail(describeRejection(rejection)),
    });
    this.#server = server;
    output.note(`run ${this.#ids.runId}, ledger and metrics on http://${flags.serve.host}:${server.port}`);
  }

  async #waitForTarget(): Promise<void> {
    const { flags, target } = this.#options;
    if (flags["wait-for-target"] === 0) return;
    const { waitForTarget } = await import("../../load/target-wait.ts");
    const interruption = new AbortController();
    void this.#interrupted.then(() => interruption.abort());
    await waitForTarget({
      url: target.url,
      withinMs: flags["wait-for-target"],
      isTlsChecked: !flags.insecure,
      signal: interruption.signal,
    });
  }

  #start(): Load {
    const { flags, rate, target, output } = this.#options;
    const ledger = this.#ledger;
    const endsByRamp = rate !== null && rate.rampMs > 0 && flags.duration === null && flags.requests === null;
    this.#load = startLoad({
      runStartMs: this.#startMs,
      url: target.url,
      method: flags.method,
      headers: withDefaults(flags.header, target.headers),
      body: flags.body,
      pace: rate === null ? { kind: "closed" } : { kind: "open", rate, arrivals: flags.arrivals },
      connections: flags.connections ?? DEFAULT_CONNECTIONS,
      timeoutMs: flags.timeout,
      warmUpMs: flags["warm-up"],
      durationMs: endsByRamp ? rate.rampMs : flags.duration,
      maxRequests: flags.requests,
      ids: this.#ids,
      sampleShare: flags.sample,
      randomOf: randomSource(flags.seed),
      isTlsChecked: !flags.insecure,
      ...(ledger === null ? {} : { onEnd: (record) => ledger.add(record) }),
    });
    if (output.isTerminal && target.page !== null) output.note(`traces at ${target.page} during the run`);
    return this.#load;
  }

  /** Resolves when the last request has ended, to the signal that ended the run, if any. */
  async #finish(load: Load): Promise<Signal | undefined> {
    const { output } = this.#options;
    const line = new LoadLine(output, load);
    const ends: Promise<Signal | undefined>[] = [this.#interrupted, load.done.then(() => undefined)];
    if (this.#ledger !== null) ends.push(this.#ledger.failed);
    const signal = await Promise.race(ends).finally(() => line.end());
    const { inFlight } = load.results;
    if (signal !== undefined && inFlight > 0)
      output.note(
        `waiting for ${formatCount(inFlight, "request")} in flight; press Ctrl-C to stop immediately`,
      );
    await load.stop(signal === "SIGTERM" ? LAST_ANSWERS_MS : undefined);
    this.#ledger?.end();
    return signal;
  }

  /** @returns whether all requests succeeded at the requested rate */
  async #printResults(load: Load): Promise<boolean> {
    const { flags, rate, target, output } = this.#options;
    const result = summarizeResults(load.results, rate !== null);
    const [{ renderHgrm }, { describeDoubts, renderReport }] = await Promise.all([
      import("../../load/hgrm.ts"),
      import("./load-report.ts"),
    ]);
    try {
      if (flags.hdr !== null) writeResultFile(flags.hdr, renderHgrm(load.results.latency));
    } finally {
      // Print results even if the file could not be written.
      if (flags.output === "json") {
        const facts = {
          run: load.runId,
          url: target.url,
          startedAt: new Date(load.startedAt),
          ...result,
          doubts: describeDoubts(result, load.options.connections),
        };
        await output.result(`${JSON.stringify(facts)}\n`);
      } else {
        await output.result(renderReport(result, load));
      }
    }
    return result.failed === 0 && result.isRateReached !== false;
  }

  /** Keeps serving the ledger and metrics for a while. */
  async #linger(): Promise<void> {
    const { linger } = this.#options.flags;
    if (this.#server !== null && linger > 0) await Promise.race([this.#interrupted, Bun.sleep(linger)]);
  }
}
