import type { CallGraph } from "./call-graph.ts";
import type { Completion } from "./completion.ts";
import type { SeenSpan } from "./seen-span.ts";
import { type Edge, edgeText, type MissingSpan } from "./verdict.ts";

/** Number of spans that a link says it recorded for one trace. */
export interface RecordedSpans {
  readonly server: number;
  readonly client: number;
}

/** What each link says it recorded, by link. */
export type RecordedByLink = ReadonlyMap<string, RecordedSpans>;

/**
 * Names the missing spans by what each link says it recorded. This also covers calls that no topology knows, such
 * as those of a mirror, and traces of which nothing arrived. Returns the completion as it is when the links do
 * not explain exactly as many missing spans.
 * @param recorded `null` if the links were not asked
 * @param graph gives the edges of these spans, as far as it leaves no choice
 */
export function nameByLinks(
  completion: Completion,
  ours: readonly SeenSpan[],
  recorded: RecordedByLink | null,
  lost: number,
  graph: CallGraph | null,
): Completion {
  if (recorded === null || completion.isProved) return completion;
  const missing: MissingSpan[] = [];
  for (const [link, { server, client }] of recorded) {
    for (const [kind, count] of [
      ["SERVER", server],
      ["CLIENT", client],
    ] as const) {
      const gap = count - ours.filter((span) => span.serviceName === link && span.kind === kind).length;
      // A span that nobody recorded: something else happened to the trace as well.
      if (gap < 0) return completion;
      const known = completion.missing
        .filter((span) => span.link === link && span.kind === kind)
        .slice(0, gap);
      missing.push(...known);
      const edges = graph === null ? [] : edgesOf(graph, { link, kind, gap, ours, recorded });
      for (const { edge } of known) remove(edges, edge);
      for (let index = known.length; index < gap; index++)
        missing.push({ link, kind, edge: edges.shift() ?? null, id: null, parentId: undefined });
    }
  }
  return missing.length === lost ? { missing, unattributed: 0, isProved: false } : completion;
}

interface Gap {
  readonly link: string;
  readonly kind: MissingSpan["kind"];
  /** Number of missing spans of this kind. */
  readonly gap: number;
  readonly ours: readonly SeenSpan[];
  readonly recorded: RecordedByLink;
}

/** Returns the edges of a link's missing spans, one for each; empty if there is a choice. */
function edgesOf(graph: CallGraph, { link, kind, gap, ours, recorded }: Gap): Edge[] {
  if (kind === "SERVER") {
    const [edge, second] = edgesTo(graph, link);
    return edge !== undefined && second === undefined ? Array<Edge>(gap).fill(edge) : [];
  }
  const callees = [
    ...new Set(
      graph.services
        .get(link)
        ?.steps.flat()
        .map(({ service }) => service),
    ),
  ];
  const [only] = callees;
  if (only !== undefined && callees.length === 1) return Array<Edge>(gap).fill({ from: link, to: only });
  // A callee that nobody else calls was visited once for each call, so its visits tell how many calls are missing.
  const edges = callees.flatMap((to) => {
    if (edgesTo(graph, to).length > 1) return [];
    const seen = ours.filter(
      ({ kind: k, serviceName, remote }) => k === "CLIENT" && serviceName === link && remote === to,
    );
    return Array<Edge>(Math.max(0, (recorded.get(to)?.server ?? 0) - seen.length)).fill({ from: link, to });
  });
  return edges.length === gap ? edges : [];
}

/** Returns the edges on which a service is called. */
function edgesTo(graph: CallGraph, service: string): Edge[] {
  const callers = [...graph.services.values()].filter(({ steps }) =>
    steps.some((step) => step.some((call) => call.service === service)),
  );
  const edges: Edge[] = callers.map(({ name }) => ({ from: name, to: service }));
  return service === graph.entry ? [{ from: null, to: service }, ...edges] : edges;
}

function remove(edges: Edge[], edge: Edge | null): void {
  const at = edge === null ? -1 : edges.findIndex((it) => edgeText(it) === edgeText(edge));
  if (at >= 0) edges.splice(at, 1);
}
