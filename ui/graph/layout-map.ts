import type { Graph } from "./graph-model.ts";
import { type Layout, NODE_HEIGHT, NODE_WIDTH, type Point } from "./picture.ts";

const [STEP_X, STEP_Y] = [NODE_WIDTH + 24, NODE_HEIGHT + 14];
/** Between one rank and the next. */
const RANK_GAP = 130;

/**
 * Hundreds of links as a map that fills the picture: the ranks of callers and callees are blocks beside each other, and a
 * rank with many links has as many columns as it needs. Who is called by the same stands together.
 */
export function layOutMap(graph: Graph, aspect: number): Layout {
  const ranks = rankNodes(graph);
  const rows = chooseRows(
    ranks.map((rank) => rank.length),
    aspect,
  );
  const places = new Map<string, Point>();
  let left = 0;
  for (const rank of ranks) {
    const columns = Math.ceil(rank.length / rows);
    const inColumn = Math.ceil(rank.length / columns);
    const top = ((rows - inColumn) * STEP_Y) / 2;
    for (const [index, id] of rank.entries()) {
      const [column, row] = [Math.floor(index / inColumn), index % inColumn];
      places.set(id, { x: left + NODE_WIDTH / 2 + column * STEP_X, y: top + NODE_HEIGHT / 2 + row * STEP_Y });
    }
    left += columns * STEP_X + RANK_GAP;
  }
  const edges = graph.edges.map(({ from, to }) => curve(places.get(from) as Point, places.get(to) as Point));
  return { nodes: places, edges, width: left - RANK_GAP, height: rows * STEP_Y, isMap: true };
}

/** Each as far to the right as the longest way to it; calls that close a circle do not count. */
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
    // A circle that nobody outside calls is opened at its first.
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
  // In the order in which callers are, so that their callees stand together.
  for (const id of order) {
    const rank = ranks.get(id) ?? 0;
    while (blocks.length <= rank) blocks.push([]);
    blocks[rank]?.push(id);
  }
  return blocks.filter((block) => block.length > 0);
}

/** The height, in rows, with which width and height come nearest to the picture's. */
function chooseRows(sizes: readonly number[], aspect: number): number {
  let [best, least] = [1, Number.POSITIVE_INFINITY];
  for (let rows = 1; rows <= Math.max(...sizes); rows++) {
    const columns = sizes.reduce((sum, size) => sum + Math.ceil(size / rows), 0);
    const width = columns * STEP_X + (sizes.length - 1) * RANK_GAP;
    const distance = Math.abs(Math.log(width / (rows * STEP_Y) / aspect));
    if (distance < least) [best, least] = [rows, distance];
  }
  return best;
}

function curve(a: Point, b: Point): Layout["edges"][number] {
  const [from, to] = [a.x + NODE_WIDTH / 2, b.x - NODE_WIDTH / 2];
  const bend = Math.max(40, Math.abs(to - from) / 2);
  const path = `M${from} ${a.y}C${from + bend} ${a.y} ${to - bend} ${b.y} ${to - 5} ${b.y}`;
  return { path, label: { x: to - 22, y: b.y - 7 } };
}
