import type { SeenSpan } from "./seen-span.ts";

/** The calls of one trace, each with its caller and callee. Spans of proxies in between are skipped. */
export class CallTree {
  /** Spans whose parent is missing. */
  readonly roots: readonly SeenSpan[];
  /** CLIENT spans of services. Those of a proxy that forwards a call are not included. */
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

  /** Returns the SERVER span that made a call. */
  callerOf(call: SeenSpan): SeenSpan | undefined {
    return this.#byId.get(call.parentId ?? "");
  }

  /** Returns the callee's SERVER span, directly below the call or below spans of proxies. */
  calleeOf(call: SeenSpan): SeenSpan | undefined {
    const direct = this.#below(call.id);
    return direct.find(({ serviceName }) => serviceName === call.remote) ?? direct[0];
  }

  /** Returns the first SERVER span on each path down. */
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
