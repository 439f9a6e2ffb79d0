import dagre from "@dagrejs/dagre";
import type { Graph } from "./graph-model.ts";
import { layOutMap } from "./layout-map.ts";
import { type Layout, NODE_HEIGHT, NODE_WIDTH, type Point } from "./picture.ts";

const GAP_X = 74;
const GAP_Y = 26;
/** Distance of an arc's control points below the nodes it joins. The arc reaches three quarters of it. */
const ARC_HEIGHT = 60;
/**
 * From this many nodes on, the layout is a map: layers would hold hundreds in a line, and dagre takes a
 * second.
 */
const MAP_FROM = 80;
/** From this many nodes on, or on a phone, a map replaces layers that would be drawn this much smaller. */
const [MAYBE_MAP_FROM, MAX_SHRINK] = [25, 1.4];
/** With more edges per node, dagre places links far apart to lead all edges around them. */
const MAX_EDGES_PER_NODE = 3;

/**
 * Places callers left of their callees. A chain runs in rows, alternating in direction, because a single
 * line would be too small to read.
 */
export function layOut(graph: Graph, aspect: number): Layout {
  // A chain this short fits on one line, except on a phone.
  const isShort = graph.nodes.length < 5 && aspect >= 1;
  const chain = isShort ? null : chainOrder(graph);
  if (chain !== null) return layOutChain(graph, chain, aspect);
  const isMap =
    graph.nodes.length >= MAP_FROM || graph.edges.length > MAX_EDGES_PER_NODE * graph.nodes.length;
  if (isMap) return layOutMap(graph, aspect);
  const layers = layOutLayers(graph);
  if (graph.nodes.length < MAYBE_MAP_FROM && aspect >= 1) return layers;
  const map = { ...layOutMap(graph, aspect), isMap: graph.nodes.length >= MAYBE_MAP_FROM };
  return scaleOf(map, aspect) > scaleOf(layers, aspect) * MAX_SHRINK ? map : layers;
}

/** The scale at which a layout fits into a drawing with a height of 1. */
function scaleOf({ width, height }: Layout, aspect: number): number {
  return Math.min(aspect / width, 1 / height);
}

/** The nodes from first to last, if the graph is a chain. */
function chainOrder({ nodes, edges }: Graph): string[] | null {
  if (edges.length !== nodes.length - 1) return null;
  const next = new Map(edges.map(({ from, to }) => [from, to]));
  const called = new Set(edges.map(({ to }) => to));
  if (next.size !== edges.length || called.size !== edges.length) return null;
  const first = nodes.find(({ id }) => !called.has(id));
  const order: string[] = [];
  for (let id = first?.id; id !== undefined; id = next.get(id)) order.push(id);
  return order.length === nodes.length ? order : null;
}

function layOutChain(graph: Graph, order: readonly string[], aspect: number): Layout {
  const [stepX, stepY] = [NODE_WIDTH + GAP_X, NODE_HEIGHT + 44];
  const columns = Math.max(
    aspect < 1 ? 1 : 3,
    Math.min(order.length, Math.round(Math.sqrt((order.length * aspect * stepY) / stepX))),
  );
  const places = new Map<string, Point>();
  for (const [index, id] of order.entries()) {
    const row = Math.floor(index / columns);
    const inRow = index % columns;
    const column = row % 2 === 0 ? inRow : columns - 1 - inRow;
    places.set(id, { x: NODE_WIDTH / 2 + column * stepX, y: NODE_HEIGHT / 2 + row * stepY });
  }
  const edges = graph.edges.map(({ from, to }) =>
    straight(places.get(from) as Point, places.get(to) as Point),
  );
  const rows = Math.ceil(order.length / columns);
  return {
    nodes: places,
    edges,
    width: Math.min(columns, order.length) * stepX - GAP_X,
    height: rows * stepY - 44,
  };
}

/** A line from a node to the near side of its neighbor in the same row or in the row below. */
function straight(a: Point, b: Point): { path: string; label: Point } {
  if (a.y === b.y) {
    const sign = Math.sign(b.x - a.x);
    const [from, to] = [a.x + (sign * NODE_WIDTH) / 2, b.x - (sign * NODE_WIDTH) / 2];
    return { path: `M${from} ${a.y}H${to - sign * 5}`, label: { x: (from + to) / 2, y: a.y - 8 } };
  }
  const [from, to] = [a.y + NODE_HEIGHT / 2, b.y - NODE_HEIGHT / 2];
  return { path: `M${a.x} ${from}V${to - 5}`, label: { x: a.x + 30, y: (from + to) / 2 + 4 } };
}

function layOutLayers(graph: Graph): Layout {
  const layers = new dagre.graphlib.Graph();
  layers.setGraph({
    rankdir: "LR",
    nodesep: GAP_Y,
    ranksep: GAP_X,
    edgesep: 14,
    ranker: "network-simplex",
  });
  layers.setDefaultEdgeLabel(() => ({}));
  // dagre keeps nodes in plain objects, where a service named `__proto__` would change every object of the
  // page.
  const keys = new Map(graph.nodes.map(({ id }, index) => [id, `n${index}`]));
  const keyOf = (id: string) => keys.get(id) as string;
  for (const key of keys.values()) layers.setNode(key, { width: NODE_WIDTH, height: NODE_HEIGHT });
  for (const { from, to } of graph.edges) layers.setEdge(keyOf(from), keyOf(to));
  dagre.layout(layers);
  const nodes = new Map<string, Point>();
  for (const [id, key] of keys) {
    const { x = 0, y = 0 } = layers.node(key) as Point;
    nodes.set(id, { x, y });
  }
  const edges = graph.edges.map(({ from, to }) => {
    const [start, end] = [nodes.get(from) as Point, nodes.get(to) as Point];
    if (end.x <= start.x) return backBelow(start, end);
    const { points } = layers.edge(keyOf(from), keyOf(to)) as { points: Point[] };
    const sided = fromSideToSide(points, start, end);
    return { path: curveThrough(sided), label: labelPlace(sided) };
  });
  const { width = 0, height = 0 } = layers.graph() as { width?: number; height?: number };
  const isRound = graph.edges.some(
    ({ from, to }) => (nodes.get(to) as Point).x <= (nodes.get(from) as Point).x,
  );
  return { nodes, edges, width, height: height + (isRound ? ARC_HEIGHT : 0) };
}

/**
 * An arc below both nodes, for a call to a caller or to the service itself. No edge from left to right runs
 * there.
 */
function backBelow(from: Point, to: Point): { path: string; label: Point } {
  const foot = NODE_HEIGHT / 2;
  // The ends of an arc to the same node lie side by side. Otherwise, incoming and outgoing arcs of a node
  // have separate ends.
  const [startX, endX] = [from.x + NODE_WIDTH / 4, to.x - (from === to ? 0 : NODE_WIDTH / 4)];
  const [startY, endY] = [from.y + foot, to.y + foot];
  const lowest = Math.max(startY, endY) + ARC_HEIGHT;
  return {
    path: `M${startX} ${startY}C${startX} ${lowest} ${endX} ${lowest} ${endX} ${endY + 5}`,
    label: { x: (startX + endX) / 2, y: (startY + endY) / 8 + lowest * 0.75 + 4 },
  };
}

/**
 * Moves the ends of a line: dagre's lines leave a node wherever they cross its border, ours leave on the
 * right and arrive on the left.
 */
function fromSideToSide(points: readonly Point[], from: Point, to: Point): Point[] {
  const right = { x: from.x + NODE_WIDTH / 2, y: from.y };
  const left = { x: to.x - NODE_WIDTH / 2, y: to.y };
  const between = points.slice(1, -1).filter(({ x }) => x > right.x && x < left.x);
  return [right, ...(between.length > 1 ? between : []), left];
}

/** A smooth path, horizontal at both ends. */
function curveThrough(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  let path = `M${first.x} ${first.y}`;
  let from = first;
  for (const [index, point] of rest.entries()) {
    const to = index === rest.length - 1 ? { x: point.x - 5, y: point.y } : point;
    const middle = (from.x + to.x) / 2;
    path += `C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}`;
    from = to;
  }
  return path;
}

function labelPlace(points: readonly Point[]): Point {
  // Near the callee, where lines from one caller have separated.
  const [b, a] = [points.at(-1), points.at(-2)];
  const [ax, ay, bx, by] = [a?.x ?? 0, a?.y ?? 0, b?.x ?? 0, b?.y ?? 0];
  // On the side away from the line.
  return { x: bx - Math.min(26, (bx - ax) / 2), y: ay < by ? by + 15 : by - 7 };
}
