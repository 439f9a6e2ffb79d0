import type { Span } from "../trace/span.ts";
import { LiveRecorder } from "./live-recorder.ts";
import type { ProxiedBackend } from "./proxied-backend.ts";
import { readJson } from "./remote-query.ts";

const POLL_MS = 2000;
/** Spans reach a backend a second or two after they end. */
const DELAY_MS = 5000;
/** Maximum traces per query. If there are more in these seconds, the numbers cover only this many. */
const POLLED_TRACES = 200;
const TIMEOUT_MS = 10_000;

/** Derives numbers per second from a backend that has none: polls its newest traces while there are listeners. */
export class PolledLive {
  readonly recorder: LiveRecorder;
  readonly #backend: ProxiedBackend;
  readonly #timer: Timer;
  /** Ids of counted spans with the time of counting, because a young trace is read several times. */
  #counted = new Map<string, number>();
  #held = 0;
  #isBusy = false;

  constructor(backend: ProxiedBackend) {
    this.#backend = backend;
    this.recorder = new LiveRecorder(
      () => ({ traces: 0, spans: this.#held, evictedSpans: 0, refusedSpans: 0, duplicateSpans: 0 }),
      () => Date.now() - DELAY_MS,
    );
    this.#timer = setInterval(() => void this.#poll(), POLL_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #poll(): Promise<void> {
    if (this.#isBusy || !this.recorder.isHeard) return;
    this.#isBusy = true;
    try {
      const query = `endTs=${Date.now()}&lookback=${DELAY_MS * 2}&limit=${POLLED_TRACES}`;
      const limit = AbortSignal.timeout(TIMEOUT_MS);
      this.#count(await readJson<Span[][]>(this.#backend, `/api/v2/traces?${query}`, limit));
    } catch {
      // The next poll may succeed, and the page reports failures of its own requests itself.
    } finally {
      this.#isBusy = false;
    }
  }

  #count(traces: readonly (readonly Span[])[]): void {
    const nowMs = Date.now();
    const fresh = traces.flat().filter((span) => {
      const key = `${span.traceId} ${span.id} ${span.kind ?? ""} ${span.shared ?? ""}`;
      if (this.#counted.has(key)) return false;
      this.#counted.set(key, nowMs);
      return true;
    });
    this.#held += fresh.length;
    this.recorder.record(fresh);
    const oldestMs = nowMs - DELAY_MS * 4;
    this.#counted = new Map([...this.#counted].filter(([, at]) => at > oldestMs));
  }
}
