import type { LiveSecond } from "../../src/collector/live.ts";
import type { TopologyAnswer } from "../control/control-client.ts";

export interface GraphNode {
  /** A service's name, or the common beginning of those that it stands for. */
  readonly id: string;
  readonly members: readonly string[];
}

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  /** Edges between services that it stands for. */
  readonly members: readonly (readonly [from: string, to: string])[];
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

/** One of Zipkin's dependency links. */
export interface DependencyLink {
  readonly parent: string;
  readonly child: string;
}

/** Everything that is known to call or to be called: from the document, from traces, from the last minutes. */
export function collectGraph(
  topology: TopologyAnswer | null,
  dependencies: readonly DependencyLink[],
  seconds: readonly LiveSecond[],
): Graph {
  const names = new Set<string>();
  const edges = new Map<string, readonly [string, string]>();
  const connect = (from: string, to: string) => {
    names.add(from).add(to);
    edges.set(`${from}\n${to}`, [from, to]);
  };
  for (const service of topology?.services ?? []) {
    names.add(service.name);
    for (const call of service.calls) connect(service.name, call.service);
  }
  for (const { parent, child } of dependencies) connect(parent, child);
  for (const second of seconds) {
    for (const { name } of second.services) names.add(name);
    for (const { from, to } of second.edges) connect(from, to);
  }
  return {
    nodes: [...names].map((id) => ({ id, members: [id] })),
    edges: [...edges.values()].map(([from, to]) => ({ from, to, members: [[from, to]] })),
  };
}

/** The beginning of a name that a group is made by: up to its last `-`, `.` or `/`. */
export function prefixOf(name: string): string {
  return /^(.+)[-./][^-./]+$/.exec(name)?.[1] ?? name;
}

/** Services with the same beginning become one node, unless that beginning is among `open`. */
export function collapseByPrefix(graph: Graph, open: ReadonlySet<string>): Graph {
  const sizes = new Map<string, number>();
  for (const { id } of graph.nodes) sizes.set(prefixOf(id), (sizes.get(prefixOf(id)) ?? 0) + 1);
  const groupOf = (name: string) => {
    const prefix = prefixOf(name);
    return (sizes.get(prefix) ?? 0) < 2 || open.has(prefix) ? name : `${prefix}-*`;
  };
  const nodes = new Map<string, string[]>();
  for (const { id } of graph.nodes) {
    const group = groupOf(id);
    nodes.set(group, [...(nodes.get(group) ?? []), id]);
  }
  const edges = new Map<string, { from: string; to: string; members: (readonly [string, string])[] }>();
  for (const edge of graph.edges) {
    const [from, to] = [groupOf(edge.from), groupOf(edge.to)];
    if (from === to) continue;
    const key = `${from}\n${to}`;
    const merged = edges.get(key) ?? { from, to, members: [] };
    merged.members.push([edge.from, edge.to]);
    edges.set(key, merged);
  }
  return { nodes: [...nodes].map(([id, members]) => ({ id, members })), edges: [...edges.values()] };
}
