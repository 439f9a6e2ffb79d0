/** The sort key of traces. */
interface Sortable {
  /** Microseconds since 1970. */
  readonly start: number;
  readonly id: string;
}

const MAX_BLOCK = 1024;

/**
 * Traces by start, then id: one sorted list, in blocks, so that an insertion moves at most a thousand entries (imports
 * put old traces before a million of newer ones).
 */
export class SortedTraces<T extends Sortable> {
  readonly #blocks: T[][] = [];

  add(trace: T): void {
    const at = Math.max(0, this.#blockOf(trace));
    const block = this.#blocks[at];
    if (block === undefined) {
      this.#blocks.push([trace]);
      return;
    }
    block.splice(countBefore(block, trace), 0, trace);
    if (block.length > MAX_BLOCK) this.#blocks.splice(at + 1, 0, block.splice(MAX_BLOCK / 2));
  }

  /** Removes a trace whose start has not changed since it was added. */
  remove(trace: T): void {
    const at = this.#blockOf(trace);
    const block = this.#blocks[at];
    if (block === undefined) return;
    const place = countBefore(block, trace);
    if (block[place] !== trace) return;
    block.splice(place, 1);
    if (block.length === 0) this.#blocks.splice(at, 1);
  }

  first(): T | undefined {
    return this.#blocks[0]?.[0];
  }

  /**
   * Iterates from the newest trace that started at or before `endMicros` to the oldest at or after `startMicros`. Do
   * not modify the list meanwhile.
   */
  *newestFirst(startMicros: number, endMicros: number): Generator<T> {
    const end = { start: endMicros, id: "~" };
    for (let at = this.#blockOf(end); at >= 0; at--) {
      const block = this.#blocks[at] as T[];
      for (let index = countBefore(block, end) - 1; index >= 0; index--) {
        const trace = block[index] as T;
        if (trace.start < startMicros) return;
        yield trace;
      }
    }
  }

  /** Returns the last block that does not start after the trace; -1 when all do. */
  #blockOf(trace: Sortable): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare((this.#blocks[middle] as T[])[0] as T, trace) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

function countBefore(block: readonly Sortable[], trace: Sortable): number {
  let low = 0;
  let high = block.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(block[middle] as Sortable, trace) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compare(a: Sortable, b: Sortable): number {
  return a.start - b.start || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
