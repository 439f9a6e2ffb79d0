import type { RefObject, TargetedKeyboardEvent } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Icon } from "../shell/icon.tsx";
import { useKeys } from "../shell/keys.ts";
import { namerOf } from "../shell/short-name.ts";
import { Callouts } from "./callouts.tsx";
import type { DrawingProps } from "./drawing-props.ts";
import { Edges } from "./edges.tsx";
import { layOut } from "./layout.ts";
import { FAR_SCALE, MID_SCALE, NameStyleContext, nameStyleOf } from "./node-name.tsx";
import { Nodes } from "./nodes.tsx";
import type { Layout, Point } from "./picture.ts";
import { ARROWS, useZoom } from "./zoom.ts";

/** A graph that can be panned, zoomed and walked by keyboard. The caller decides what nodes and edges show. */
export function Drawing(props: DrawingProps) {
  const { graph, selectedId, matches, onSelect } = props;
  const box = useRef<HTMLDivElement>(null);
  const aspect = useAspect(box);
  const layout = useMemo(() => layOut(graph, aspect), [graph, aspect]);
  const { transform, fit, zoomBy, panBy, center } = useZoom(box, layout);
  useCentering({ selectedId, matches, layout, center });
  useKeys({
    "+": () => zoomBy(1.25),
    "=": () => zoomBy(1.25),
    "-": () => zoomBy(0.8),
    "0": fit,
    Escape: () => onSelect(undefined),
  });
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
      <div class={classes} ref={box} onKeyDown={(event) => walkByArrowKeys(event, { layout, panBy, center })}>
        <div class="world" style={style}>
          <Edges {...props} layout={layout} />
          <NameStyleContext.Provider value={nameStyle}>
            <Nodes {...props} layout={layout} />
          </NameStyleContext.Provider>
        </div>
        {isFar && <Callouts {...props} namer={namer} layout={layout} transform={transform} />}
      </div>
      <ZoomTools onZoom={zoomBy} onFit={fit} />
    </div>
  );
}

/** Initial aspect ratio of the drawing: width divided by height. */
function useAspect(box: RefObject<HTMLDivElement | null>): number {
  const [aspect, setAspect] = useState(1.8);
  useEffect(() => {
    const element = box.current;
    if (element !== null) setAspect(element.clientWidth / Math.max(element.clientHeight, 1));
  }, []);
  return aspect;
}

type View = ReturnType<typeof useZoom>;

interface Centering extends Pick<DrawingProps, "selectedId" | "matches">, Pick<View, "center"> {
  readonly layout: Layout;
}

/** Centers the selected node, and the match of a search if there is exactly one. */
function useCentering({ selectedId, matches, layout, center }: Centering): void {
  useEffect(() => {
    const point = selectedId === undefined ? undefined : layout.nodes.get(selectedId);
    if (point !== undefined) center(point);
  }, [selectedId, layout]);
  useEffect(() => {
    const [only] = matches?.size === 1 ? matches : [];
    const point = only === undefined ? undefined : layout.nodes.get(only);
    if (point !== undefined) center(point);
  }, [matches]);
}

interface Walk extends Pick<View, "panBy" | "center"> {
  readonly layout: Layout;
}

/** Arrow keys move the focus from node to node; with no node focused they pan the drawing. */
function walkByArrowKeys(
  event: TargetedKeyboardEvent<HTMLDivElement>,
  { layout, panBy, center }: Walk,
): void {
  if (!event.key.startsWith("Arrow") || event.ctrlKey || event.metaKey || event.altKey) return;
  const focused = (event.target as HTMLElement).dataset.id;
  event.preventDefault();
  const from = focused === undefined ? undefined : layout.nodes.get(focused);
  if (from === undefined) {
    panBy(event.key);
    return;
  }
  const next = neighbor(layout, from, event.key);
  if (next === undefined) return;
  event.currentTarget
    .querySelector<HTMLElement>(`[data-id="${CSS.escape(next)}"]`)
    ?.focus({ preventScroll: true });
  center(layout.nodes.get(next) as Point);
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

function ZoomTools({ onZoom, onFit }: { onZoom: (factor: number) => void; onFit: () => void }) {
  return (
    <div class="zoom-tools">
      <button type="button" onClick={() => onZoom(1.25)} aria-label="Zoom in" title="Zoom in (+)">
        <Icon name="plus" />
      </button>
      <button type="button" onClick={() => onZoom(0.8)} aria-label="Zoom out" title="Zoom out (-)">
        <Icon name="minus" />
      </button>
      <button type="button" onClick={onFit} aria-label="Show all" title="Show all (0)">
        <Icon name="fit" />
      </button>
    </div>
  );
}
