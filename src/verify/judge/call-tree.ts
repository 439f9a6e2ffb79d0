import type { SeenSpan } from "./seen-span.ts";

/** The spans of one trace as calls: who called whom, and who took the call. Spans of proxies in between are seen through. */
export class CallTree {
  /** Those whose parent is not there. */
  readonly roots: readonly SeenSpan[];
  /** CLIENT spans of services: not those of a proxy that carries one on. */
  readonly calls: readonly SeenSpan[];
  readonly #byId: ReadonlyMap<string, SeenSpan>;
  readonly #children: ReadonlyMap<string | null, readonly SeenSpan[]>;

  constructor(spans: readonly SeenSpan[]) {
    const byId = new Map(spans.map((span) => [span.id, span]));
    this.#children = Map.groupBy(spans, ({ parentId }) => parentId);
    this.roots = spans.filter(({ parentId }) => !byId.has(parentId ?? ""));
    this.#byId = byId;
    this.calls = spans
      .filter(({ kind, parentId }) => kind === "CLIENT" && byId.get(parentId ?? "")?.kind !== "CLIENT")
      .sort((a, b) => a.startUs - b.startUs);
  }

  edgeOf(call: SeenSpan): string {
    return `${call.serviceName} > ${call.remote ?? this.calleeOf(call)?.serviceName ?? "?"}`;
  }

  /** The SERVER span that made a call. */
  callerOf(call: SeenSpan): SeenSpan | undefined {
    return this.#byId.get(call.parentId ?? "");
  }

  /** The callee's SERVER span, right below the call or below spans of what lies between. */
  calleeOf(call: SeenSpan): SeenSpan | undefined {
    const direct = this.#below(call.id);
    return direct.find(({ serviceName }) => serviceName === call.remote) ?? direct[0];
  }

  /** The first SERVER spans on each way down. */
  serversUnder(root: SeenSpan): SeenSpan[] {
    return root.kind === "SERVER" ? [root] : this.#below(root.id);
  }

  #below(id: string, seen = new Set<string>()): SeenSpan[] {
    if (seen.has(id)) return [];
    seen.add(id);
    return (this.#children.get(id) ?? []).flatMap((span) =>
      span.kind === "SERVER" ? [span] : this.#below(span.id, seen),
    );
  }
}
