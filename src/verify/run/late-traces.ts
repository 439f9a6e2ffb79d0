import type { SeenSpan } from "../judge/seen-span.ts";

/** Traces of some 10 spans: 50 MB. Of further ones is forgotten what was there. */
const MAX_REMEMBERED = 20_000;

/**
 * Traces that are late while others are still sent, by the place of their requests in the book. They are asked for again after twice the
 * time, and again: in a run of hours what is lost leaves the looks to what is new, and what comes very late is found all the same. What was there of
 * any trace that is not whole is remembered, as a backend that makes room lets go of the oldest.
 */
export class LateTraces {
  readonly #againAtMs = new Map<number, number>();
  readonly #seen = new Map<number, readonly SeenSpan[]>();

  get size(): number {
    return this.#againAtMs.size;
  }

  /** `ageMs`: how long ago its request ended. */
  add(index: number, ageMs: number): void {
    this.#againAtMs.set(index, performance.now() + ageMs);
  }

  /** Takes out those whose time has come, or all. */
  take(isAll: boolean): number[] {
    if (this.size === 0) return [];
    const nowMs = performance.now();
    const due = [...this.#againAtMs].filter(([, againAtMs]) => isAll || againAtMs <= nowMs);
    for (const [index] of due) this.#againAtMs.delete(index);
    return due.map(([index]) => index);
  }

  /** What is there of a trace, or was when there was more of it. */
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
