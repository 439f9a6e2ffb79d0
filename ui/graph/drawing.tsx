import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { edgeKey } from "../shell/edge-key.ts";
import { Icon } from "../shell/icon.tsx";
import { useKeys } from "../shell/keys.ts";
import { type Namer, namerOf, shorten } from "../shell/short-name.ts";
import type { Graph, GraphEdge, GraphNode } from "./graph-model.ts";
import type { EdgeLook } from "./health.ts";
import { layOut } from "./layout.ts";
import { FAR_SCALE, MID_SCALE, NameStyleContext, nameStyleOf } from "./node-name.tsx";
import { type Layout, NODE_HEIGHT, NODE_WIDTH, type Point } from "./picture.ts";
import { ARROWS, useZoom } from "./zoom.ts";

/** Links that are named where no text can be read: the worst ones. */
const MAX_CALLOUTS = 12;
/** About so wide are most. */
const CALLOUT_WIDTH = 150;
const CALLOUT_CHARACTERS = 24;

/** What nodes and edges say. */
export interface NodeLooks {
  readonly edgeLook: (edge: GraphEdge) => EdgeLook;
  /** Of the box: its health, or what else is to be seen from afar. */
  readonly nodeClass: (node: GraphNode) => string;
  readonly renderNode: (node: GraphNode) => ComponentChildren;
  /** What to say of a node from afar; the higher the rank the worse, 0 nothing. */
  readonly callout: (node: GraphNode) => { readonly rank: number; readonly text: string };
}

interface DrawingProps extends NodeLooks {
  readonly graph: Graph;
  readonly selectedId: string | undefined;
  /** Those that are searched for; `null`: all. */
  readonly matches: ReadonlySet<string> | null;
  readonly onSelect: (id: string | undefined) => void;
  readonly onOpen?: (node: GraphNode) => void;
}

/** A graph to move, zoom and walk along. What its nodes and edges say is given. */
export function Drawing(props: DrawingProps) {
  const { graph, selectedId, matches, onSelect, onOpen, edgeLook, nodeClass, renderNode } = props;
  const box = useRef<HTMLDivElement>(null);
  const [aspect, setAspect] = useState(1.8);
  useEffect(() => {
    const element = box.current;
    if (element !== null) setAspect(element.clientWidth / Math.max(element.clientHeight, 1));
  }, []);
  const layout = useMemo(() => layOut(graph, aspect), [graph, aspect]);
  const { transform, fit, zoomBy, panBy, center } = useZoom(box, layout);
  useEffect(() => {
    const point = selectedId === undefined ? undefined : layout.nodes.get(selectedId);
    if (point !== undefined) center(point);
  }, [selectedId, layout]);
  useEffect(() => {
    const [only] = matches?.size === 1 ? matches : [];
    const point = only === undefined ? undefined : layout.nodes.get(only);
    if (point !== undefined) center(point);
  }, [matches]);
  useKeys({
    "+": () => zoomBy(1.25),
    "=": () => zoomBy(1.25),
    "-": () => zoomBy(0.8),
    "0": fit,
    Escape: () => onSelect(undefined),
  });
  const onKeyDown = (event: KeyboardEvent) => {
    if (!event.key.startsWith("Arrow") || event.ctrlKey || event.metaKey || event.altKey) return;
    const focused = (event.target as HTMLElement).dataset.id;
    event.preventDefault();
    const from = focused === undefined ? undefined : layout.nodes.get(focused);
    if (from === undefined) return panBy(event.key);
    const next = neighbor(layout, from, event.key);
    if (next === undefined) return;
    box.current
      ?.querySelector<HTMLElement>(`[data-id="${CSS.escape(next)}"]`)
      ?.focus({ preventScroll: true });
    center(layout.nodes.get(next) as Point);
  };
  const isDimmed = ({ from, to }: GraphEdge) => matches !== null && !(matches.has(from) || matches.has(to));
  const namer = useMemo(() => namerOf(graph.nodes.map(({ id }) => id)), [graph]);
  const nameStyle = useMemo(() => nameStyleOf(transform.scale, namer), [transform.scale, namer]);
  const isFar = transform.scale < FAR_SCALE;
  const style = {
    transform: `translate(${transform.x}px, ${transform.y}px) scale(${transform.scale})`,
    "--far-font": `${nameStyle.fontPx}px`,
  };
  const farClass = ["far blind", "far one-line"][nameStyle.lines] ?? "far";
  const distance = isFar ? ` ${farClass}` : transform.scale < MID_SCALE ? " mid" : "";
  const classes = `drawing${distance}${layout.isMap ? " map" : ""}`;
  return (
    <div class="drawing-box">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: arrow keys go from node to node, which are buttons */}
      <div class={classes} ref={box} onKeyDown={onKeyDown}>
        <div class="world" style={style}>
          <svg class="edges" width={layout.width} height={layout.height} aria-hidden="true">
            <defs>
              <marker
                id="arrow"
                viewBox="0 0 8 8"
                refX="3"
                refY="4"
                markerWidth="6"
                markerHeight="6"
                orient="auto"
                markerUnits="userSpaceOnUse"
              >
                <path d="M0 0.8L7 4L0 7.2z" />
              </marker>
            </defs>
            {graph.edges.map((edge, index) => {
              const { path } = layout.edges[index] as Layout["edges"][number];
              const { className, widthPx } = edgeLook(edge);
              const isNear = edge.from === selectedId || edge.to === selectedId;
              return (
                <g
                  key={edgeKey(edge.from, edge.to)}
                  class={`edge ${className}${isDimmed(edge) ? " dim" : ""}${isNear ? " near" : ""}`}
                >
                  <path
                    d={path}
                    marker-end="url(#arrow)"
                    style={{ strokeWidth: `${widthPx.toFixed(2)}px` }}
                  />
                </g>
              );
            })}
            {/* Above all lines, so that none runs through a number. */}
            {graph.edges.map((edge, index) => {
              const { className, label: text } = edgeLook(edge);
              if (text === "") return null;
              const { label } = layout.edges[index] as Layout["edges"][number];
              const isNear = edge.from === selectedId || edge.to === selectedId;
              return (
                <g
                  key={edgeKey(edge.from, edge.to)}
                  class={`edge ${className}${isDimmed(edge) ? " dim" : ""}${isNear ? " near" : ""}`}
                >
                  <text x={label.x} y={label.y}>
                    {text}
                  </text>
                </g>
              );
            })}
          </svg>
          <NameStyleContext.Provider value={nameStyle}>
            {graph.nodes.map((node) => {
              const at = layout.nodes.get(node.id) as Point;
              const isDim = matches !== null && !matches.has(node.id);
              return (
                <button
                  type="button"
                  key={node.id}
                  class={`node ${nodeClass(node)}${isDim ? " dim" : ""}${node.members.length > 1 ? " group" : ""}`}
                  data-id={node.id}
                  aria-pressed={node.id === selectedId}
                  title={node.id}
                  style={{
                    left: `${at.x - NODE_WIDTH / 2}px`,
                    top: `${at.y - NODE_HEIGHT / 2}px`,
                    width: `${NODE_WIDTH}px`,
                    height: `${NODE_HEIGHT}px`,
                  }}
                  onClick={() => onSelect(node.id)}
                  onDblClick={() => node.members.length > 1 && onOpen?.(node)}
                >
                  {renderNode(node)}
                </button>
              );
            })}
          </NameStyleContext.Provider>
        </div>
        {isFar && <Callouts {...props} namer={namer} layout={layout} transform={transform} />}
      </div>
      <div class="zoom-tools">
        <button type="button" onClick={() => zoomBy(1.25)} aria-label="Zoom in" title="Zoom in (+)">
          <Icon name="plus" />
        </button>
        <button type="button" onClick={() => zoomBy(0.8)} aria-label="Zoom out" title="Zoom out (-)">
          <Icon name="minus" />
        </button>
        <button type="button" onClick={fit} aria-label="Show all" title="Show all (0)">
          <Icon name="fit" />
        </button>
      </div>
    </div>
  );
}

interface CalloutsProps extends DrawingProps {
  readonly namer: Namer;
  readonly layout: Layout;
  readonly transform: { readonly x: number; readonly y: number; readonly scale: number };
}

/** Names of the worst links, and of what was found, in a size that can be read. */
function Callouts({ graph, namer, matches, selectedId, callout, layout, transform }: CalloutsProps) {
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

/** The nearest node in the direction of an arrow key. */
function neighbor(layout: Layout, from: Point, key: string): string | undefined {
  const { dx, dy } = ARROWS[key] ?? { dx: 0, dy: 0 };
  let best: { id: string; cost: number } | undefined;
  for (const [id, { x, y }] of layout.nodes) {
    const along = (x - from.x) * dx + (y - from.y) * dy;
    const across = Math.abs((x - from.x) * dy) + Math.abs((y - from.y) * dx);
    if (along < 1) continue;
    const cost = along + across * 2;
    if (best === undefined || cost < best.cost) best = { id, cost };
  }
  return best?.id;
}
