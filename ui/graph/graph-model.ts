import type { DependencyLink } from "../../src/contract/dependency-link.ts";
import type { LiveSecond } from "../../src/contract/live.ts";
import type { TopologyAnswer } from "../../src/contract/topology-answer.ts";
import { edgeKey } from "../shell/edge-key.ts";

export interface GraphNode {
  /** The name of a service, or the common prefix of the services in a group. */
  readonly id: string;
  readonly members: readonly string[];
}

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  /** The edges between services that this edge represents. */
  readonly members: readonly (readonly [from: string, to: string])[];
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

/** Collects every known service and call: from the topology document, from traces, and from the last minutes. */
export function collectGraph(
  topology: TopologyAnswer | null,
  dependencies: readonly Pick<DependencyLink, "parent" | "child">[],
  seconds: readonly LiveSecond[],
): Graph {
  const names = new Set<string>();
  const edges = new Map<string, readonly [string, string]>();
  const connect = (from: string, to: string) => {
    names.add(from).add(to);
    edges.set(edgeKey(from, to), [from, to]);
  };
  for (const service of topology?.services ?? [])
    for (const call of service.calls) connect(service.name, call.service);
  for (const service of topology?.services ?? []) names.add(service.name);
  // Until the spans of a link arrive, its caller seems to call its callees directly. The document overrides
  // that.
  const described = new Set(topology?.services.map(({ name }) => name));
  const isImpossible = (from: string, to: string) =>
    described.has(from) && described.has(to) && !edges.has(edgeKey(from, to));
  for (const { parent, child } of dependencies) if (!isImpossible(parent, child)) connect(parent, child);
  for (const second of seconds) {
    for (const { name } of second.services) names.add(name);
    for (const { from, to } of second.edges) connect(from, to);
  }
  return {
    nodes: [...names].map((id) => ({ id, members: [id] })),
    edges: [...edges.values()].map(([from, to]) => ({ from, to, members: [[from, to]] })),
  };
}

const BY_NAME = new Intl.Collator("en", { numeric: true });

/**
 * Sorts by the order in the document, then by name, so that the drawing does not depend on the order of
 * discovery.
 */
export function sortGraph({ nodes, edges }: Graph, topology: TopologyAnswer | null): Graph {
  const services = topology?.services ?? [];
  const places = new Map(services.map(({ name }, place) => [name, place]));
  const callPlaces = new Map(
    services.flatMap(({ name, calls }) => calls.map((call, place) => [edgeKey(name, call.service), place])),
  );
  // For two services that the document lacks, the difference is NaN, so the name decides.
  const compare = (a: string, b: string) =>
    (places.get(a) ?? Infinity) - (places.get(b) ?? Infinity) || BY_NAME.compare(a, b);
  const placeOf = ({ from, to }: GraphEdge) => callPlaces.get(edgeKey(from, to)) ?? Infinity;
  return {
    nodes: nodes.toSorted((a, b) => compare(a.id, b.id)),
    edges: edges.toSorted(
      (a, b) => compare(a.from, b.from) || placeOf(a) - placeOf(b) || compare(a.to, b.to),
    ),
  };
}

/** Number of groups that fit into one drawing. */
const MAX_GROUPS = 60;
/** Number of services in a group that a reader can still survey. */
const MAX_IN_GROUP = 50;

/**
 * Collapses services with the same prefix into one node, `prefix-*`, unless that node is in `open`. Prefixes
 * end at `-`, `.` or `/`, and are as long as {@link MAX_GROUPS} allows. Many numbered services with one
 * prefix are grouped by tens, hundreds or thousands.
 */
export function collapseByPrefix(graph: Graph, open: ReadonlySet<string>): Graph {
  const groupOf = chooseGroups(graph.nodes.map(({ id }) => id));
  const sizes = new Map<string, number>();
  for (const { id } of graph.nodes) sizes.set(groupOf(id), (sizes.get(groupOf(id)) ?? 0) + 1);
  const nodeOf = (name: string) => {
    const group = groupOf(name);
    return (sizes.get(group) ?? 0) < 2 || open.has(group) ? name : group;
  };
  const nodes = new Map<string, string[]>();
  for (const { id } of graph.nodes) {
    const members = nodes.get(nodeOf(id));
    if (members === undefined) nodes.set(nodeOf(id), [id]);
    else members.push(id);
  }
  const edges = new Map<string, { from: string; to: string; members: (readonly [string, string])[] }>();
  for (const edge of graph.edges) {
    const [from, to] = [nodeOf(edge.from), nodeOf(edge.to)];
    if (from === to) continue;
    const key = edgeKey(from, to);
    const merged = edges.get(key) ?? { from, to, members: [] };
    merged.members.push([edge.from, edge.to]);
    edges.set(key, merged);
  }
  return { nodes: [...nodes].map(([id, members]) => ({ id, members })), edges: [...edges.values()] };
}

function chooseGroups(names: readonly string[]): (name: string) => string {
  const deepest = Math.max(1, ...names.map((name) => partsOf(name).length - 1));
  let groupOf = (name: string) => prefixOf(name, 1);
  for (let parts = deepest; parts >= 1; parts--) {
    groupOf = (name) => prefixOf(name, parts);
    if (new Set(names.map(groupOf)).size <= MAX_GROUPS) break;
  }
  const sizes = Map.groupBy(names, groupOf);
  const numbers = new Map(
    [...sizes].map(([group, members]) => [
      group,
      Math.max(0, ...members.map((name) => numberOf(name, group) || 0)),
    ]),
  );
  return (name) => {
    const group = groupOf(name);
    const isLarge = (sizes.get(group)?.length ?? 0) > MAX_IN_GROUP;
    return isLarge ? rangeOf(name, group, (numbers.get(group) ?? 0) + 1) : group;
  };
}

/** Keeps the first `parts` parts of a name: `shop-*` for one part of `shop-cart`. */
function prefixOf(name: string, parts: number): string {
  const all = partsOf(name);
  return all.length <= parts ? name : `${all.slice(0, parts).join("")}*`;
}

/** Splits a name into parts. Each part keeps the separator that ends it. */
function partsOf(name: string): string[] {
  return name.match(/[^-./]+[-./]?|[-./]/g) ?? [name];
}

/**
 * The tens, hundreds or thousands that the number of a name falls into, chosen so that there are some tens of
 * groups. A name without a number keeps its group.
 * @param count one more than the highest number, as numbers may be skipped
 */
function rangeOf(name: string, group: string, count: number): string {
  const number = numberOf(name, group);
  if (Number.isNaN(number)) return group;
  const step = 10 ** Math.max(1, Math.ceil(Math.log10(count / MAX_IN_GROUP)));
  const from = Math.floor(number / step) * step;
  return `${group.replace(/\*$/, "")}${from}…${from + step - 1}`;
}

/** The number after the prefix; NaN if the rest is not a number. */
function numberOf(name: string, group: string): number {
  const digits = name.slice(group.replace(/\*$/, "").length);
  return /^\d{1,9}$/.test(digits) ? Number(digits) : Number.NaN;
}
