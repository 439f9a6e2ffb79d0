import type { DependencyLink } from "../contract/dependency-link.ts";
import type { Span } from "../trace/span.ts";
import { buildTree, type SpanNode } from "./span-tree.ts";

interface Calls {
  readonly parent: string;
  readonly child: string;
  callCount: number;
  errorCount: number;
}

/** Adds up the links between services of many traces, by Zipkin's rules. */
export class DependencyLinks {
  readonly #calls = new Map<string, Calls>();

  /** @param spans of one trace, at least one */
  addTrace(spans: readonly Span[]): void {
    const root = buildTree(spans);
    const queue = root.span === undefined ? [...root.children] : [root];
    for (let index = 0; index < queue.length; index++) {
      const node = queue[index] as SpanNode;
      if (node.span !== undefined) this.#addSpan(node, node.span, node === root);
      for (const child of node.children) queue.push(child);
    }
  }

  links(): DependencyLink[] {
    return [...this.#calls.values()].map(({ errorCount, ...link }) =>
      errorCount === 0 ? link : { ...link, errorCount },
    );
  }

  #addSpan(node: SpanNode, span: Span, isRoot: boolean): void {
    const local = span.localEndpoint?.serviceName;
    const remote = span.remoteEndpoint?.serviceName;
    // The server's own name is better than what its client calls it.
    if (span.kind === "CLIENT" && node.children.length > 0) return;
    const kind = span.kind ?? (local !== undefined && remote !== undefined ? "CLIENT" : undefined);
    if (kind === undefined) return;
    const isServing = kind === "SERVER" || kind === "CONSUMER";
    if (isServing && isRoot && remote === undefined) return;
    const child = isServing ? local : remote;
    let parent = isServing ? remote : local;
    let isError = hasError(span);
    if (kind === "PRODUCER" || kind === "CONSUMER") {
      this.#add(parent, child, isError);
      return;
    }
    const ancestor = findRemoteAncestor(node);
    const ancestorName = ancestor?.localEndpoint?.serviceName;
    if (ancestor !== undefined && ancestorName !== undefined) {
      // Some clients put the server's name on their own side.
      if (kind === "CLIENT" && local !== undefined && local !== ancestorName)
        this.#add(ancestorName, local, false);
      if (kind === "SERVER" || parent === undefined) parent = ancestorName;
      // A client with children was skipped above, so its error is counted here.
      if (ancestor.kind === "CLIENT" && span.parentId === ancestor.id) isError ||= hasError(ancestor);
    }
    this.#add(parent, child, isError);
  }

  #add(parent: string | undefined, child: string | undefined, isError: boolean): void {
    if (parent === undefined || child === undefined) return;
    const key = JSON.stringify([parent, child]);
    const calls = this.#calls.get(key) ?? { parent, child, callCount: 0, errorCount: 0 };
    calls.callCount++;
    if (isError) calls.errorCount++;
    this.#calls.set(key, calls);
  }
}

/** Whatever its value. */
function hasError({ tags }: Span): boolean {
  return tags !== undefined && Object.hasOwn(tags, "error");
}

/** Local spans may lie between. */
function findRemoteAncestor({ parent }: SpanNode): Span | undefined {
  for (let node = parent; node !== undefined; node = node.parent)
    if (node.span?.kind !== undefined) return node.span;
  return undefined;
}
