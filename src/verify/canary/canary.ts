import { errorText, UserError } from "../../lib/errors.ts";
import { BackendWatch } from "../backend/backend-watch.ts";
import { CounterLog } from "../backend/counter-log.ts";
import type { CountedBackend, LinkInstance } from "../backend/counters.ts";
import { Inquiry } from "../backend/inquiry.ts";
import { pause, QueryPace } from "../backend/query-pace.ts";
import type { TraceReader } from "../backend/trace-reader.ts";
import type { CallGraph } from "../judge/call-graph.ts";
import { Learning } from "../judge/learning.ts";
import { attributeLosses } from "../run/attribution.ts";
import { type Reconciliation, reconcile } from "../run/reconcile.ts";
import type { RunLedger } from "../run/run-ledger.ts";
import type { CanaryTotals } from "./canary-totals.ts";

/** The requests of one window, which form a run of their own. */
export interface Sending {
  readonly ledger: RunLedger;
  /** Resolves when the last request was answered. */
  readonly ended: Promise<unknown>;
  stop(): Promise<unknown>;
}

export interface CanaryOptions {
  /** Starts to send the requests of one window. */
  readonly send: (requests: number) => Sending;
  readonly requestsPerSecond: number;
  /** Time from the start of one window to the next, at least one request interval. */
  readonly windowMs: number;
  /** Timeout of a request. */
  readonly timeoutMs: number;
  readonly reader: TraceReader;
  /** `null` to learn it from traces that are proved complete. */
  readonly graph: CallGraph | null;
  /** Finds the links whose counters are read. They may come and go. */
  readonly findInstances: () => Promise<readonly LinkInstance[]>;
  readonly backend: CountedBackend;
  /** Spans that have not arrived this long after the last request of their window are missing. */
  readonly maxWaitMs: number;
  readonly queriesPerSecond: number;
  readonly totals: CanaryTotals;
  /** Called with the result of every window, including those that could not be judged. */
  readonly onWindow?: (report: WindowReport) => void;
}

export interface WindowReport {
  readonly reconciliation: Reconciliation | null;
  /** Why the window could not be judged. */
  readonly problem: string | null;
  readonly losses: ReturnType<typeof attributeLosses>;
}

/** Delay before an unreadable backend is asked again. */
const RETRY_MS = 1000;
/** Time for judging the open windows when the canary ends. Incomplete traces are not judged then. */
const LAST_MS = 5000;
/** Windows are shorter at the start and while the backend is unreadable, so that readiness shows sooner. */
const BLIND_SHARE = 0.1;
/** Maximum number of windows waiting to be judged, besides those whose spans are not due yet. */
const SPARE_WINDOWS = 10;

/**
 * Sends requests continuously, and judges them in windows:
 *
 *     |--- window 1 ---|--- window 2 ---|--- window 3 ---|
 *       sends           waits for spans .. judged, at most --max-wait later
 *                        sends           waits ..
 *
 * Each window is a run with its own id and ledger, which are dropped once it is judged, so memory stays
 * constant.
 */
export class Canary {
  readonly #options: CanaryOptions;
  readonly #counters: CounterLog;
  readonly #open = new Set<Promise<void>>();
  readonly #end = new AbortController();
  readonly #pace: QueryPace;
  readonly #watch: BackendWatch;
  readonly #inquiry: Inquiry;
  #learning: Learning;

  constructor(options: CanaryOptions) {
    this.#options = options;
    this.#pace = new QueryPace(options.queriesPerSecond, this.#end.signal);
    this.#learning = new Learning(options.graph);
    this.#watch = new BackendWatch(options.backend, null);
    this.#inquiry = new Inquiry(options.findInstances);
    // Read the counters at the end of each window, to separate spans queued for it from those of later
    // windows.
    this.#counters = new CounterLog(options.findInstances, options.backend, options.windowMs / 2);
  }

  /** Resolves when `stop` is aborted and all windows are judged or given up. */
  async run(stop: AbortSignal): Promise<void> {
    const { requestsPerSecond, windowMs, timeoutMs, maxWaitMs, totals } = this.#options;
    let timer: Timer | undefined;
    const onStop = () => {
      timer = setTimeout(() => this.#end.abort(new Error("the canary ends")), LAST_MS);
    };
    stop.addEventListener("abort", onStop, { once: true });
    for (let dueMs = performance.now(); !stop.aborted; ) {
      const lengthMs = totals.isBlind ? windowMs * BLIND_SHARE : windowMs;
      const mostOpen = Math.ceil((timeoutMs + maxWaitMs) / lengthMs) + SPARE_WINDOWS;
      const requests = Math.max(1, Math.round((requestsPerSecond * lengthMs) / 1000));
      // The backend is too slow for this rate. Skip a window instead of letting ever more wait.
      if (this.#open.size >= mostOpen) totals.skippedWindows++;
      else this.#begin(requests, stop);
      // After the machine slept, do not catch up.
      dueMs = Math.max(dueMs + (requests / requestsPerSecond) * 1000, performance.now());
      await pause(Math.max(0, dueMs - performance.now()), stop).catch(() => {});
    }
    await Promise.all(this.#open);
    this.#watch.end();
    clearTimeout(timer);
  }

  #begin(requests: number, stop: AbortSignal): void {
    const { totals, send } = this.#options;
    void this.#counters.keepUp();
    const startedMs = performance.now();
    const sending = send(requests);
    const onStop = () => void sending.stop();
    stop.addEventListener("abort", onStop, { once: true });
    totals.openWindows++;
    const judged = this.#judge(sending, startedMs)
      .catch((error: unknown) => {
        if (!this.#end.signal.aborted) throw error;
        totals.unjudged += sending.ledger.size;
      })
      .finally(() => {
        stop.removeEventListener("abort", onStop);
        totals.openWindows--;
        this.#open.delete(judged);
      });
    this.#open.add(judged);
  }

  async #judge({ ledger, ended }: Sending, startedMs: number): Promise<void> {
    const { totals, graph, onWindow } = this.#options;
    let endedMs = startedMs;
    void ended.then(() => {
      endedMs = performance.now();
      return this.#counters.keepUp();
    });
    const { reconciliation, problem } = await this.#reconcile(ledger, ended);
    if (reconciliation === null) {
      totals.addUntold(ledger.size);
      onWindow?.({ reconciliation, problem, losses: [] });
      return;
    }
    const { tally } = reconciliation;
    const losses = tally.missing === 0 ? [] : await this.#attribute(reconciliation, startedMs, endedMs);
    totals.add(reconciliation, losses);
    // The graph may change over weeks, so learn it again while all is well.
    if (graph === null && tally.missing === 0 && this.#learning.wanted === 0)
      this.#learning = new Learning(null);
    onWindow?.({ reconciliation, problem: null, losses });
  }

  async #attribute({ tally, hasForgotten }: Reconciliation, startedMs: number, endedMs: number) {
    const now = await this.#counters.readNow();
    const before = await this.#counters.before(startedMs);
    const ended = await this.#counters.after(endedMs);
    const restarts = (now.backend?.restarts ?? 0) - (before?.backend?.restarts ?? 0);
    const backend = now.backend && { ...now.backend, restarts };
    return attributeLosses(tally, before, { ...now, backend }, ended, hasForgotten);
  }

  /** Retries an unreadable backend until the time is over, because it may have the spans nevertheless. */
  async #reconcile(ledger: RunLedger, ended: Promise<unknown>) {
    const { graph, reader, maxWaitMs, totals } = this.#options;
    const restartsBefore = this.#watch.restarts;
    let deadlineMs = Number.POSITIVE_INFINITY;
    void ended.then(() => {
      deadlineMs = performance.now() + maxWaitMs;
    });
    for (;;) {
      try {
        const leftMs = deadlineMs - performance.now();
        const reconciliation = await reconcile({
          ledger,
          reader,
          graph,
          learning: this.#learning,
          ended,
          maxWaitMs: Math.max(0, Math.min(maxWaitMs, leftMs)),
          queriesPerSecond: this.#pace,
          signal: this.#end.signal,
          inquiry: this.#inquiry,
          countRestarts: async () => {
            const restarts = await this.#watch.countRestarts();
            return restarts === null ? null : restarts - restartsBefore;
          },
        });
        return { reconciliation, problem: null };
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        totals.failedReads++;
        if (performance.now() >= deadlineMs) return { reconciliation: null, problem: errorText(error) };
      }
      await pause(Math.max(0, Math.min(RETRY_MS, deadlineMs - performance.now())), this.#end.signal);
    }
  }
}
