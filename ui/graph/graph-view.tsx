import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { control, isAllowed, topology } from "../control/control-client.ts";
import { FaultPresets } from "../control/fault-presets.tsx";
import { formatCount, formatDuration, formatRate, formatShare } from "../format.ts";
import { address, linkHere, navigate } from "../shell/address.ts";
import { Icon } from "../shell/icon.tsx";
import { useKeys } from "../shell/keys.ts";
import { edgeKey, liveState, type Recent, recentNumbers, seconds } from "../shell/live.ts";
import { Notice } from "../shell/notice.tsx";
import { readJson } from "../shell/request.ts";
import {
  collapseByPrefix,
  collectGraph,
  type DependencyLink,
  type Graph,
  type GraphNode,
} from "./graph-model.ts";
import { type Layout, layOut, NODE_HEIGHT, NODE_WIDTH, type Point } from "./layout.ts";
import { LinkPanel } from "./link-panel.tsx";
import { ARROWS, useZoom } from "./zoom.ts";

/** Below this scale nodes show their health only, no text. */
const FAR_SCALE = 0.42;

export function GraphView() {
  const dependencies = useDependencies();
  const query = address.value;
  const [search, setSearch] = useState("");
  const isGrouped = query.has("group");
  const open = new Set((query.get("open") ?? "").split(",").filter(Boolean));
  const all = seconds.value;
  // Laid out anew when something is new in it, not each second.
  const seenTo = useRef(0);
  const fresh = all.filter((second) => second.time > seenTo.current);
  seenTo.current = all.at(-1)?.time ?? 0;
  const collected = collectGraph(topology.value, dependencies ?? [], fresh);
  const known = useRef<Graph>({ nodes: [], edges: [] });
  if (isNews(collected, known.current)) known.current = unite(known.current, collected);
  const whole = known.current;
  const graph = useMemo(
    () => (isGrouped ? collapseByPrefix(whole, open) : whole),
    [whole, isGrouped, query.get("open")],
  );
  const numbers = useMemo(() => recentNumbers(all), [all]);
  const selected = graph.nodes.find(({ id }) => id === query.get("link"));
  const select = (id: string | undefined) => navigate(linkHere({ link: id }), "replace");
  useEffect(() => {
    document.title = "chain-link";
  }, []);
  if (graph.nodes.length === 0) return <EmptyGraph isLoading={dependencies === null} />;
  return (
    <section class={`graph-page${selected ? " with-panel" : ""}`}>
      <div class="graph-main">
        <h1 class="sr-only">Services and their calls</h1>
        <div class="bar-of-tools">
          <label class="find">
            <Icon name="search" />
            <input
              type="search"
              id="find"
              placeholder="Find a link"
              aria-label="Find a link"
              value={search}
              onInput={(event) => setSearch(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key !== "Enter") return;
                const found = graph.nodes.find((node) => isMatch(node, search));
                if (found !== undefined) select(found.id);
              }}
            />
          </label>
          <Totals />
          <span class="gap" />
          <a
            class="chip"
            href={linkHere({ group: isGrouped ? undefined : "prefix", link: undefined, open: undefined })}
            aria-current={isGrouped ? "true" : undefined}
          >
            {isGrouped ? "Grouped by prefix" : "Group by prefix"}
          </a>
        </div>
        {isAllowed.value && <FaultPresets />}
        <Drawing
          graph={graph}
          numbers={numbers}
          selectedId={selected?.id}
          search={search}
          onSelect={select}
          onOpen={(node) => {
            const prefix = node.id.replace(/-\*$/, "");
            navigate(linkHere({ open: [...open, prefix].join(","), link: undefined }));
          }}
        />
        {liveState.value === "lost" && (
          <p class="banner" role="status">
            The collector does not answer; the numbers are old. Is chain-link still running?
          </p>
        )}
      </div>
      {selected !== undefined && (
        <LinkPanel node={selected} graph={whole} numbers={numbers} onClose={() => select(undefined)} />
      )}
    </section>
  );
}

function useDependencies(): readonly DependencyLink[] | null {
  const [links, setLinks] = useState<readonly DependencyLink[] | null>(null);
  useEffect(() => {
    const day = 24 * 60 * 60 * 1000;
    void readJson<DependencyLink[]>(`api/v2/dependencies?endTs=${Date.now()}&lookback=${day}`).then(
      (answer) => setLinks(answer.kind === "ok" ? answer.value : []),
    );
  }, []);
  return links;
}

function isNews(next: Graph, old: Graph): boolean {
  const nodes = new Set(old.nodes.map(({ id }) => id));
  const edges = new Set(old.edges.map(({ from, to }) => edgeKey(from, to)));
  return (
    next.nodes.some(({ id }) => !nodes.has(id)) ||
    next.edges.some(({ from, to }) => !edges.has(edgeKey(from, to)))
  );
}

function unite(a: Graph, b: Graph): Graph {
  const nodes = new Map([...a.nodes, ...b.nodes].map((node) => [node.id, node]));
  const edges = new Map([...a.edges, ...b.edges].map((edge) => [edgeKey(edge.from, edge.to), edge]));
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}

function isMatch(node: GraphNode, search: string): boolean {
  const wanted = search.trim().toLowerCase();
  return wanted !== "" && [node.id, ...node.members].some((name) => name.toLowerCase().includes(wanted));
}

function Totals() {
  const last = seconds.value.at(-1);
  if (last === undefined) return <span class="status">waiting for the first numbers …</span>;
  const lost = last.spans.dropped;
  return (
    <span class="status">
      {formatCount(last.spans.accepted, "span")} in the last second, {last.spans.held.toLocaleString("en")}{" "}
      held
      {lost > 0 && <b class="bad"> {formatCount(lost, "span")} dropped</b>}
    </span>
  );
}

function EmptyGraph({ isLoading }: { readonly isLoading: boolean }) {
  if (isLoading) return <p class="loading">Looking for services …</p>;
  return (
    <Notice title="No services yet">
      <p>
        Send a request through the chain, and the services that it passes appear here. Any Zipkin client can
        report to
      </p>
      <pre>POST {new URL("api/v2/spans", location.href).href}</pre>
    </Notice>
  );
}

interface DrawingProps {
  readonly graph: Graph;
  readonly numbers: ReturnType<typeof recentNumbers>;
  readonly selectedId: string | undefined;
  readonly search: string;
  readonly onSelect: (id: string | undefined) => void;
  readonly onOpen: (node: GraphNode) => void;
}

function Drawing({ graph, numbers, selectedId, search, onSelect, onOpen }: DrawingProps) {
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
  useKeys({
    "+": () => zoomBy(1.25),
    "=": () => zoomBy(1.25),
    "-": () => zoomBy(0.8),
    "0": fit,
    Escape: () => onSelect(undefined),
  });
  const matches =
    search.trim() === ""
      ? null
      : new Set(graph.nodes.filter((node) => isMatch(node, search)).map(({ id }) => id));
  const onKeyDown = (event: KeyboardEvent) => {
    if (!event.key.startsWith("Arrow") || event.ctrlKey || event.metaKey || event.altKey) return;
    const focused = (event.target as HTMLElement).dataset.id;
    event.preventDefault();
    const from = focused === undefined ? undefined : layout.nodes.get(focused);
    if (from === undefined) return panBy(event.key);
    const next = neighbour(layout, from, event.key);
    if (next === undefined) return;
    box.current
      ?.querySelector<HTMLElement>(`[data-id="${CSS.escape(next)}"]`)
      ?.focus({ preventScroll: true });
    center(layout.nodes.get(next) as Point);
  };
  const isFar = transform.scale < FAR_SCALE;
  const style = { transform: `translate(${transform.x}px, ${transform.y}px) scale(${transform.scale})` };
  return (
    <div class="drawing-box">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: arrow keys go from node to node, which are buttons */}
      <div class={`drawing${isFar ? " far" : ""}`} ref={box} onKeyDown={onKeyDown}>
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
              const { path, label } = layout.edges[index] as Layout["edges"][number];
              const live = sumOf(edge.members.map(([from, to]) => numbers.edges.get(edgeKey(from, to))));
              const isDim = matches !== null && !(matches.has(edge.from) || matches.has(edge.to));
              return (
                <g key={edgeKey(edge.from, edge.to)} class={`edge ${healthOf(live)}${isDim ? " dim" : ""}`}>
                  <path d={path} marker-end="url(#arrow)" style={{ strokeWidth: widthOf(live) }} />
                  {live !== undefined && live.perSecond > 0 && (
                    <text x={label.x} y={label.y}>
                      {formatRate(live.perSecond)}
                    </text>
                  )}
                </g>
              );
            })}
          </svg>
          {graph.nodes.map((node) => (
            <Node
              key={node.id}
              node={node}
              at={layout.nodes.get(node.id) as Point}
              live={sumOf(node.members.map((name) => numbers.services.get(name)))}
              isSelected={node.id === selectedId}
              isDim={matches !== null && !matches.has(node.id)}
              onSelect={onSelect}
              onOpen={onOpen}
            />
          ))}
        </div>
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

interface NodeProps {
  readonly node: GraphNode;
  readonly at: Point;
  readonly live: Recent | undefined;
  readonly isSelected: boolean;
  readonly isDim: boolean;
  readonly onSelect: (id: string) => void;
  readonly onOpen: (node: GraphNode) => void;
}

function Node({ node, at, live, isSelected, isDim, onSelect, onOpen }: NodeProps) {
  const isGroup = node.members.length > 1;
  const faults = node.members.filter((name) => control.value?.faults[name] !== undefined);
  const isStopped = node.members.some((name) => control.value?.faults[name]?.isStopped);
  const health = isStopped ? "stopped" : healthOf(live);
  const facts = live === undefined || live.perSecond === 0 ? (isStopped ? "stopped" : "no requests") : "";
  return (
    <button
      type="button"
      class={`node ${health}${isSelected ? " selected" : ""}${isDim ? " dim" : ""}${isGroup ? " group" : ""}`}
      data-id={node.id}
      aria-pressed={isSelected}
      title={node.id}
      style={{
        left: `${at.x - NODE_WIDTH / 2}px`,
        top: `${at.y - NODE_HEIGHT / 2}px`,
        width: `${NODE_WIDTH}px`,
        height: `${NODE_HEIGHT}px`,
      }}
      onClick={() => onSelect(node.id)}
      onDblClick={() => isGroup && onOpen(node)}
    >
      <span class="node-name">
        {isGroup && <span class="badge">{node.members.length}</span>}
        {node.id}
        {faults.length > 0 && (
          <span class="fault-mark" title="A fault is set">
            fault
          </span>
        )}
      </span>
      <span class="node-facts">
        {live === undefined || live.perSecond === 0 ? (
          <span class="quiet-text">{facts}</span>
        ) : (
          <>
            <b>{formatRate(live.perSecond)}</b>
            <span>{formatDuration(live.p50)}</span>
            {live.errorShare > 0 && (
              <span class="bad">
                <Icon name="error" />
                {formatShare(live.errorShare)}
                <span class="sr-only">errors</span>
              </span>
            )}
          </>
        )}
      </span>
      <i class="latency" style={{ width: `${latencyShare(live) * 100}%` }} />
    </button>
  );
}

/** On a scale of decades, from 0.1 ms to 10 s. */
function latencyShare(live: Recent | undefined): number {
  if (live === undefined || live.p50 <= 0) return 0;
  return Math.max(0.02, Math.min(1, (Math.log10(live.p50) - 2) / 5));
}

function healthOf(live: Recent | undefined): "idle" | "well" | "ailing" | "failing" {
  if (live === undefined || live.perSecond === 0) return "idle";
  if (live.errorShare >= 0.05) return "failing";
  return live.errorShare > 0 ? "ailing" : "well";
}

function widthOf(live: Recent | undefined): string {
  if (live === undefined || live.perSecond === 0) return "1px";
  return `${Math.min(4, 1.25 + Math.log10(1 + live.perSecond) * 0.8).toFixed(2)}px`;
}

function sumOf(list: readonly (Recent | undefined)[]): Recent | undefined {
  const given = list.filter((one) => one !== undefined);
  if (given.length < 2) return given[0];
  const perSecond = given.reduce((sum, one) => sum + one.perSecond, 0);
  const mean = (of: (one: Recent) => number) =>
    given.reduce((sum, one) => sum + of(one) * one.perSecond, 0) / Math.max(perSecond, 1e-9);
  return {
    perSecond,
    errorShare: mean((one) => one.errorShare),
    p50: mean((one) => one.p50),
    p99: Math.max(...given.map((one) => one.p99)),
  };
}

/** The nearest node in the direction of an arrow key. */
function neighbour(layout: Layout, from: Point, key: string): string | undefined {
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
