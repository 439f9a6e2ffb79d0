import type { SeenSpan } from "../judge/seen-span.ts";

/** Maximum number of traces whose spans are remembered: 50 MB at 10 spans each. */
const MAX_REMEMBERED = 20_000;

/**
 * Incomplete traces of a run in progress, by the index of their request in the ledger. Each is read again
 * after twice the previous delay, so that in a run of hours lost traces do not take queries from new ones,
 * and very late ones are still found. The spans of incomplete traces are remembered, because a full backend
 * evicts the oldest.
 */
export class LateTraces {
  readonly #againAtMs = new Map<number, number>();
  readonly #seen = new Map<number, readonly SeenSpan[]>();

  get size(): number {
    return this.#againAtMs.size;
  }

  /** @param ageMs time since the request ended */
  add(index: number, ageMs: number): void {
    this.#againAtMs.set(index, performance.now() + ageMs);
  }

  /** Removes and returns the traces that are due, or all. */
  take(isAll: boolean): number[] {
    if (this.size === 0) return [];
    const nowMs = performance.now();
    const due = [...this.#againAtMs].filter(([, againAtMs]) => isAll || againAtMs <= nowMs);
    for (const [index] of due) this.#againAtMs.delete(index);
    return due.map(([index]) => index);
  }

  /** Returns the spans of a trace: the current ones, or the remembered ones if there were more. */
  recall(index: number, spans: readonly SeenSpan[]): readonly SeenSpan[] {
    const before = this.#seen.get(index);
    return before !== undefined && before.length > spans.length ? before : spans;
  }

  remember(index: number, spans: readonly SeenSpan[]): void {
    if (spans.length > 0 && (this.#seen.size < MAX_REMEMBERED || this.#seen.has(index)))
      this.#seen.set(index, spans);
  }

  forget(index: number): void {
    this.#seen.delete(index);
  }

  clear(): void {
    this.#againAtMs.clear();
    this.#seen.clear();
  }
}
