import { type Namer, shorten } from "../shell/short-name.ts";
import type { DrawingProps } from "./drawing-props.ts";
import type { Layout, Point } from "./picture.ts";

/** When the text in nodes is too small to read, this many of the worst links are named. */
const MAX_CALLOUTS = 12;
/** Approximate width of most callouts. */
const CALLOUT_WIDTH = 150;
const CALLOUT_CHARACTERS = 24;

interface CalloutsProps extends DrawingProps {
  readonly namer: Namer;
  readonly layout: Layout;
  readonly transform: { readonly x: number; readonly y: number; readonly scale: number };
}

/** Readable names of the worst links and of the search results, over a graph too small for text. */
export function Callouts({ graph, namer, matches, selectedId, callout, layout, transform }: CalloutsProps) {
  const wanted = graph.nodes
    .map((node) => ({ node, ...callout(node) }))
    .filter(({ node, rank }) => rank > 0 || node.id === selectedId || matches?.has(node.id))
    .sort((a, b) => b.rank - a.rank)
    .slice(0, MAX_CALLOUTS);
  const placed: Point[] = [];
  return (
    <div class="callouts" aria-hidden="true">
      {wanted.map(({ node, rank, text }) => {
        const point = layout.nodes.get(node.id) as Point;
        const at = { x: transform.x + point.x * transform.scale, y: transform.y + point.y * transform.scale };
        if (placed.some(({ x, y }) => Math.abs(x - at.x) < CALLOUT_WIDTH && Math.abs(y - at.y) < 22))
          return null;
        placed.push(at);
        return (
          <span
            key={node.id}
            class={`callout${rank > 0 ? " worse" : ""}`}
            style={{
              left: at.x < 0 ? `${at.x}px` : `max(${CALLOUT_WIDTH / 2}px, ${at.x}px)`,
              top: `${at.y}px`,
            }}
          >
            <b>{shorten(namer(node.id), CALLOUT_CHARACTERS)}</b> {text}
          </span>
        );
      })}
    </div>
  );
}
