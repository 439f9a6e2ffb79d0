import type { SeenSpan } from "./seen-span.ts";

/** The spans of one trace, without copies, as a tree. Foreign spans are skipped. */
export class TraceView {
  /** Spans of our links. */
  readonly ours: readonly SeenSpan[];
  readonly #byId = new Map<string, SeenSpan>();
  readonly #ourIds = new Set<string>();
  readonly #children = new Map<string | null, SeenSpan[]>();

  constructor(ours: readonly SeenSpan[], foreign: readonly SeenSpan[]) {
    this.ours = ours;
    for (const span of foreign) this.#byId.set(span.id, span);
    for (const span of ours) {
      this.#byId.set(span.id, span);
      this.#ourIds.add(span.id);
    }
    for (const span of ours) {
      const parentId = this.parentOf(span);
      const siblings = this.#children.get(parentId);
      if (siblings === undefined) this.#children.set(parentId, [span]);
      else siblings.push(span);
    }
    for (const siblings of this.#children.values()) siblings.sort((a, b) => a.startUs - b.startUs);
  }

  /** Returns our span with this id. */
  find(id: string | null): SeenSpan | undefined {
    return id !== null && this.#ourIds.has(id) ? this.#byId.get(id) : undefined;
  }

  /** Returns the id of the nearest ancestor that is ours or missing; `null` for a root. */
  parentOf(span: SeenSpan): string | null {
    let { parentId } = span;
    // Bounded by the number of spans, because parents may form a cycle.
    for (let turn = 0; turn <= this.#byId.size && parentId !== null; turn++) {
      if (this.#ourIds.has(parentId)) return parentId;
      const foreign = this.#byId.get(parentId);
      if (foreign === undefined) return parentId;
      parentId = foreign.parentId;
    }
    return parentId;
  }

  /** Returns our children of the span with this id, by start time. */
  childrenOf(id: string | null): readonly SeenSpan[] {
    return this.#children.get(id) ?? NONE;
  }

  /** Returns ids of missing parents, with their children. */
  absentParents(): ReadonlyMap<string, readonly SeenSpan[]> {
    const absent = new Map<string, readonly SeenSpan[]>();
    for (const [id, children] of this.#children) {
      if (id !== null && !this.#byId.has(id)) absent.set(id, children);
    }
    return absent;
  }

  /** Yields all of our spans at and below a span. */
  below(id: string): Set<SeenSpan> {
    const found = new Set<SeenSpan>();
    const open = [...this.childrenOf(id)];
    for (let span = open.pop(); span !== undefined; span = open.pop()) {
      if (found.has(span)) continue;
      found.add(span);
      open.push(...this.childrenOf(span.id));
    }
    return found;
  }
}

const NONE: readonly SeenSpan[] = [];

/** Whether a call got no answer. No ledger covers the spans of its callee. */
export function isCut(span: SeenSpan): boolean {
  return span.kind === "CLIENT" && span.status === null;
}
