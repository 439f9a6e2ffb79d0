import type { Trace, TraceRow } from "./trace-model.ts";

export interface ComparedRow {
  readonly key: string;
  readonly depth: number;
  readonly a: TraceRow | undefined;
  readonly b: TraceRow | undefined;
}

/**
 * Merges two traces into one tree. Spans match if they have the same parent, service, name and kind; calls
 * must also have the same callee. Of several such spans, the first matches the first, the second the second.
 */
export function compareTraces(a: Trace, b: Trace): ComparedRow[] {
  const interned = new Map<string, string>();
  const [inA, inB] = [keyRows(a, interned), keyRows(b, interned)];
  const rows: ComparedRow[] = [];
  const childrenOf = (keyed: KeyedTrace, key: string) => keyed.children.get(key) ?? [];
  const stack: { key: string; depth: number }[] = [];
  const push = (key: string, depth: number) => {
    const fromA = childrenOf(inA, key);
    const all = [...fromA, ...childrenOf(inB, key).filter((child) => !inA.rows.has(child))];
    for (const child of all.reverse()) stack.push({ key: child, depth });
  };
  push("", 0);
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { key, depth } = next;
    rows.push({ key, depth, a: inA.rows.get(key), b: inB.rows.get(key) });
    push(key, depth + 1);
  }
  return rows;
}

interface KeyedTrace {
  readonly rows: ReadonlyMap<string, TraceRow>;
  /** Keys of children by the key of their parent, in the order of the trace. Roots are under "". */
  readonly children: ReadonlyMap<string, string[]>;
}

function keyRows(trace: Trace, interned: Map<string, string>): KeyedTrace {
  const rows = new Map<string, TraceRow>();
  const children = new Map<string, string[]>();
  const keys: string[] = [];
  const seen = new Map<string, number>();
  const callees = calleesOf(trace);
  for (const row of trace.rows) {
    const parent = row.parent < 0 ? "" : (keys[row.parent] as string);
    const { name = "", kind: spanKind = "" } = row.span;
    const kind = JSON.stringify([parent, row.service, name, spanKind, callees.get(row.index)]);
    const ordinal = seen.get(kind) ?? 0;
    seen.set(kind, ordinal + 1);
    // Keys are numbers, because the path of a span 2,000 levels deep would be a text of 100 kB.
    const full = `${kind}#${ordinal}`;
    const key = interned.get(full) ?? `k${interned.size}`;
    interned.set(full, key);
    keys[row.index] = key;
    rows.set(key, row);
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [key]);
    else siblings.push(key);
  }
  return { rows, children };
}

/** The callee of each CLIENT span. Concurrent calls come in any order, so their position cannot match them. */
function calleesOf({ rows }: Trace): Map<number, string> {
  const callees = new Map<number, string>();
  for (const { index, parent, service, span } of rows) {
    const remote = span.remoteEndpoint?.serviceName;
    if (span.kind === "CLIENT" && remote !== undefined) callees.set(index, remote);
    if (rows[parent]?.span.kind === "CLIENT" && !callees.has(parent)) callees.set(parent, service);
  }
  return callees;
}
