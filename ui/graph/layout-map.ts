import type { Graph } from "./graph-model.ts";
import { type Layout, NODE_HEIGHT, NODE_WIDTH, type Point } from "./picture.ts";

const [STEP_X, STEP_Y] = [NODE_WIDTH + 24, NODE_HEIGHT + 14];
/** Gap between two ranks: side by side, and one below the other. */
const [RANK_GAP, UPRIGHT_GAP] = [130, 60];

/**
 * Lays out many links as a map that fills the drawing. Each rank of callers and callees is a block with as
 * many columns as it needs. Blocks are placed side by side, or one below the other if the drawing is higher
 * than wide. Links with the same caller are placed together.
 */
export function layOutMap(graph: Graph, aspect: number): Layout {
  const ranks = rankNodes(graph);
  const isUpright = aspect < 1;
  const [along, across] = isUpright ? [STEP_Y, STEP_X] : [STEP_X, STEP_Y];
  const gap = isUpright ? UPRIGHT_GAP : RANK_GAP;
  const sizes = ranks.map((rank) => rank.length);
  const most = chooseMost(sizes, { ratio: isUpright ? 1 / aspect : aspect, along, across, gap });
  const places = new Map<string, Point>();
  let start = 0;
  for (const rank of ranks) {
    const lines = Math.ceil(rank.length / most);
    const inLine = Math.ceil(rank.length / lines);
    const offset = ((most - inLine) * across) / 2;
    for (const [index, id] of rank.entries()) {
      const [line, place] = [Math.floor(index / inLine), index % inLine];
      const [a, b] = [start + line * along, offset + place * across];
      const [x, y] = isUpright ? [b, a] : [a, b];
      places.set(id, { x: x + NODE_WIDTH / 2, y: y + NODE_HEIGHT / 2 });
    }
    start += lines * along + gap;
  }
  const connect = isUpright ? curveDown : curve;
  const edges = graph.edges.map(({ from, to }) =>
    connect(places.get(from) as Point, places.get(to) as Point),
  );
  const [length, breadth] = [start - gap, most * across];
  const size = isUpright ? { width: breadth, height: length } : { width: length, height: breadth };
  return { nodes: places, edges, ...size, isMap: true };
}

/** Assigns each node the length of the longest path to it as its rank. Calls that close a cycle are ignored. */
export function rankNodes({ nodes, edges }: Graph): string[][] {
  const callees = new Map<string, string[]>(nodes.map(({ id }) => [id, []]));
  const callers = new Map<string, number>(nodes.map(({ id }) => [id, 0]));
  for (const { from, to } of edges) {
    callees.get(from)?.push(to);
    callers.set(to, (callers.get(to) ?? 0) + 1);
  }
  const ranks = new Map<string, number>();
  const order: string[] = [];
  const left = new Map(callers);
  const ready = nodes.map(({ id }) => id).filter((id) => left.get(id) === 0);
  const pending = new Set(nodes.map(({ id }) => id));
  while (pending.size > 0) {
    // A cycle without a caller outside it is broken at its first node.
    const id = ready.shift() ?? ([...pending][0] as string);
    if (!pending.delete(id)) continue;
    order.push(id);
    const rank = ranks.get(id) ?? 0;
    ranks.set(id, rank);
    for (const callee of callees.get(id) ?? []) {
      if (!pending.has(callee)) continue;
      ranks.set(callee, Math.max(ranks.get(callee) ?? 0, rank + 1));
      left.set(callee, (left.get(callee) ?? 0) - 1);
      if (left.get(callee) === 0) ready.push(callee);
    }
  }
  const blocks: string[][] = [];
  // In the order of the callers, so that callees of one caller are placed together.
  for (const id of order) {
    const rank = ranks.get(id) ?? 0;
    while (blocks.length <= rank) blocks.push([]);
    blocks[rank]?.push(id);
  }
  return blocks.filter((block) => block.length > 0);
}

interface Steps {
  /** Length of the drawing divided by its breadth. */
  readonly ratio: number;
  readonly along: number;
  readonly across: number;
  readonly gap: number;
}

/** The breadth, in nodes, that comes closest to the ratio of the drawing. */
function chooseMost(sizes: readonly number[], { ratio, along, across, gap }: Steps): number {
  let [best, least] = [1, Number.POSITIVE_INFINITY];
  for (let most = 1; most <= Math.max(...sizes); most++) {
    const lines = sizes.reduce((sum, size) => sum + Math.ceil(size / most), 0);
    const length = lines * along + (sizes.length - 1) * gap;
    const distance = Math.abs(Math.log(length / (most * across) / ratio));
    if (distance < least) [best, least] = [most, distance];
  }
  return best;
}

/** A curve from the bottom of a node to the top of a node below it. */
function curveDown(a: Point, b: Point): Layout["edges"][number] {
  const [from, to] = [a.y + NODE_HEIGHT / 2, b.y - NODE_HEIGHT / 2];
  const bend = Math.max(30, Math.abs(to - from) / 2);
  const path = `M${a.x} ${from}C${a.x} ${from + bend} ${b.x} ${to - bend} ${b.x} ${to - 5}`;
  return { path, label: { x: b.x + 24, y: to - 8 } };
}

function curve(a: Point, b: Point): Layout["edges"][number] {
  const [from, to] = [a.x + NODE_WIDTH / 2, b.x - NODE_WIDTH / 2];
  const bend = Math.max(40, Math.abs(to - from) / 2);
  const path = `M${from} ${a.y}C${from + bend} ${a.y} ${to - bend} ${b.y} ${to - 5} ${b.y}`;
  return { path, label: { x: to - 22, y: b.y - 7 } };
}
