import type { Span } from "../span.ts";
import type { TraceFile } from "./trace-file.ts";

/** Collects the spans of a file while the formats read it. */
export class SpanCollection implements TraceFile {
  readonly spans: Span[] = [];
  readonly rejected = new Map<string, number>();
  readonly #formats = new Set<string>();
  /** Spans by trace id and id. Several differ in B3, where client and server share an id. */
  readonly #byId = new Map<string, Span[]>();
  #duplicates = 0;

  get formats(): readonly string[] {
    return [...this.#formats];
  }

  get duplicates(): number {
    return this.#duplicates;
  }

  /** Records that a part of the file has this format, with or without spans. */
  addFormat(name: string): void {
    this.#formats.add(name);
  }

  add(span: Span): void {
    const id = `${span.traceId}-${span.id}`;
    const alike = this.#byId.get(id);
    if (alike === undefined) this.#byId.set(id, [span]);
    else if (alike.some((other) => isSame(other, span))) {
      this.#duplicates++;
      return;
    } else alike.push(span);
    this.spans.push(span);
  }

  reject(reason: string, count = 1): void {
    this.rejected.set(reason, (this.rejected.get(reason) ?? 0) + count);
  }
}

function isSame(a: Span, b: Span): boolean {
  return JSON.stringify(a, sortKeys) === JSON.stringify(b, sortKeys);
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
