import type { Endpoint, Span } from "../trace/span.ts";
import { isShared, mergeSpans } from "./trace-merge.ts";

/** A span in the tree of its trace; `span` is undefined for the placeholder of a missing root. */
export interface SpanNode {
  readonly span: Span | undefined;
  parent: SpanNode | undefined;
  readonly children: SpanNode[];
}

/**
 * The tree of a trace by Zipkin's rules; returns its root. A shared span is below the span with its id. Others are
 * below the shared span with their parent's id on their own endpoint, else below the span with that id. A span without
 * a parent is below the first such span. Spans in a cycle are in no tree.
 */
export function buildTree(spans: readonly Span[]): SpanNode {
  const cleaned = mergeSpans(spans);
  const parents = new Map<string, string | undefined>();
  for (const span of cleaned) parents.set(keyOf(span), isShared(span) ? span.id : span.parentId);
  const nodes = new Map<string, SpanNode>();
  let root: SpanNode | undefined;
  for (const span of cleaned) {
    const node: SpanNode = { span, parent: undefined, children: [] };
    const bareKey = isShared(span) ? sharedKey(span.id, undefined) : span.id;
    if (isShared(span)) nodes.set(keyOf(span), node);
    else if (span.parentId === undefined && root === undefined) {
      root = node;
      parents.delete(bareKey);
      continue;
    } else if (span.parentId !== undefined) {
      const shared = sharedKey(span.parentId, span.localEndpoint);
      if (parents.has(shared)) parents.set(bareKey, shared);
    }
    nodes.set(bareKey, node);
  }
  const top: SpanNode = root ?? { span: undefined, parent: undefined, children: [] };
  for (const [key, parentKey] of parents) {
    const child = nodes.get(key);
    const parent = (parentKey === undefined ? undefined : nodes.get(parentKey)) ?? top;
    if (child === undefined || child === parent) continue;
    parent.children.push(child);
    child.parent = parent;
  }
  return top;
}

function keyOf(span: Span): string {
  return isShared(span) ? sharedKey(span.id, span.localEndpoint) : span.id;
}

/** Several servers may answer to one id of a client: only their endpoints tell them apart. */
function sharedKey(id: string, endpoint: Endpoint | undefined): string {
  if (endpoint === undefined) return `${id} shared`;
  const { serviceName, ipv4, ipv6, port } = endpoint;
  return JSON.stringify([id, serviceName, ipv4, ipv6, port]);
}
