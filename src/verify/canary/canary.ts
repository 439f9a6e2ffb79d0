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

/** The requests of one window, which are a run of their own. */
export interface Sending {
  readonly book: RunLedger;
  /** Resolves when the last was answered. */
  readonly ended: Promise<unknown>;
  stop(): Promise<unknown>;
}

export interface CanaryOptions {
  /** Begins to send so many requests, those of one window. */
  readonly send: (requests: number) => Sending;
  readonly requestsPerSecond: number;
  /** From the begin of one window to the next, or as long as one request takes its turn. */
  readonly windowMs: number;
  /** Limit of a request. */
  readonly timeoutMs: number;
  readonly reader: TraceReader;
  /** `null`: learned from the traces that are proved complete. */
  readonly graph: CallGraph | null;
  /** Those whose counters are asked; they may come and go. */
  readonly findInstances: () => Promise<readonly LinkInstance[]>;
  readonly backend: CountedBackend;
  /** What is not there so long after the last request of its window is missing. */
  readonly maxWaitMs: number;
  readonly queriesPerSecond: number;
  readonly account: CanaryTotals;
  /** Hears what was found out about a window, and about each that could not be judged. */
  readonly onWindow?: (report: WindowReport) => void;
}

export interface WindowReport {
  readonly reconciliation: Reconciliation | null;
  /** Why nothing can be told. */
  readonly problem: string | null;
  readonly losses: ReturnType<typeof attributeLosses>;
}

/** A backend that cannot be read is asked again so soon. */
const RETRY_MS = 1000;
/** Time for windows to be judged when the canary ends; what is not complete by then is not judged. */
const LAST_MS = 5000;
/** As long as nothing could be told, at the start or while the backend is away, windows are shorter: it is known sooner that it can. */
const BLIND_SHARE = 0.1;
/** Windows that may wait for being judged, besides those that time itself keeps open. */
const SPARE_WINDOWS = 10;

/**
 * Sends without end, and judges in windows:
 *
 *     |--- window 1 ---|--- window 2 ---|--- window 3 ---|
 *       sends           waits for spans .. judged, at most --max-wait later
 *                        sends           waits ..
 *
 * Each window is a run with an id and a book of its own, which go when it is judged: so memory does not grow with time.
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
    // At the end of each window, so that what is queued for it is told from what is queued for later ones.
    this.#counters = new CounterLog(options.findInstances, options.backend, options.windowMs / 2);
  }

  /** Resolves when `stop` was aborted, and all windows were judged or given up. */
  async run(stop: AbortSignal): Promise<void> {
    const { requestsPerSecond, windowMs, timeoutMs, maxWaitMs, account } = this.#options;
    let timer: Timer | undefined;
    const onStop = () => {
      timer = setTimeout(() => this.#end.abort(new Error("the canary ends")), LAST_MS);
    };
    stop.addEventListener("abort", onStop, { once: true });
    for (let dueMs = performance.now(); !stop.aborted; ) {
      const lengthMs = account.isBlind ? windowMs * BLIND_SHARE : windowMs;
      const mostOpen = Math.ceil((timeoutMs + maxWaitMs) / lengthMs) + SPARE_WINDOWS;
      const requests = Math.max(1, Math.round((requestsPerSecond * lengthMs) / 1000));
      // The backend is too slow for this rate: a window less, instead of ever more that wait.
      if (this.#open.size >= mostOpen) account.skippedWindows++;
      else this.#begin(requests, stop);
      // A machine that slept does not make up for it.
      dueMs = Math.max(dueMs + (requests / requestsPerSecond) * 1000, performance.now());
      await pause(Math.max(0, dueMs - performance.now()), stop).catch(() => {});
    }
    await Promise.all(this.#open);
    this.#watch.end();
    clearTimeout(timer);
  }

  #begin(requests: number, stop: AbortSignal): void {
    const { account, send } = this.#options;
    void this.#counters.keepUp();
    const startedMs = performance.now();
    const sending = send(requests);
    const onStop = () => void sending.stop();
    stop.addEventListener("abort", onStop, { once: true });
    account.openWindows++;
    const judged = this.#judge(sending, startedMs)
      .catch((error: unknown) => {
        if (!this.#end.signal.aborted) throw error;
        account.unjudged += sending.book.size;
      })
      .finally(() => {
        stop.removeEventListener("abort", onStop);
        account.openWindows--;
        this.#open.delete(judged);
      });
    this.#open.add(judged);
  }

  async #judge({ book, ended }: Sending, startedMs: number): Promise<void> {
    const { account, graph, onWindow } = this.#options;
    let endedMs = startedMs;
    void ended.then(() => {
      endedMs = performance.now();
      return this.#counters.keepUp();
    });
    const { reconciliation, problem } = await this.#reconcile(book, ended);
    if (reconciliation === null) {
      account.addUntold(book.size);
      onWindow?.({ reconciliation, problem, losses: [] });
      return;
    }
    const { tally } = reconciliation;
    const losses = tally.missing === 0 ? [] : await this.#attribute(reconciliation, startedMs, endedMs);
    account.add(reconciliation, losses);
    // It has learned enough, and what runs may change in weeks: learned anew while all is well.
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

  /** A backend that cannot be read is asked until the time is over: it may have the spans nevertheless. */
  async #reconcile(book: RunLedger, ended: Promise<unknown>) {
    const { graph, reader, maxWaitMs, account } = this.#options;
    const restartsBefore = this.#watch.restarts;
    let deadlineMs = Number.POSITIVE_INFINITY;
    void ended.then(() => {
      deadlineMs = performance.now() + maxWaitMs;
    });
    for (;;) {
      try {
        const leftMs = deadlineMs - performance.now();
        const reconciliation = await reconcile({
          book,
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
        account.failedReads++;
        if (performance.now() >= deadlineMs) return { reconciliation: null, problem: errorText(error) };
      }
      await pause(Math.max(0, Math.min(RETRY_MS, deadlineMs - performance.now())), this.#end.signal);
    }
  }
}
