import { useEffect, useMemo, useState } from "preact/hooks";
import { control, isAllowed } from "../control/control-client.ts";
import { FaultPresets } from "../control/fault-presets.tsx";
import { formatCount, formatDuration, formatRate, formatShare } from "../format.ts";
import { address, linkHere, linkTo, navigate } from "../shell/address.ts";
import { Icon } from "../shell/icon.tsx";
import { edgeKey, liveState, type Recent, recentNumbers, seconds } from "../shell/live.ts";
import { Notice } from "../shell/notice.tsx";
import { Drawing } from "./drawing.tsx";
import { collapseByPrefix, type Graph, type GraphEdge, type GraphNode } from "./graph-model.ts";
import { healthOf, latencyShare, sumOf, widthOf } from "./health.ts";
import { useKnownGraph } from "./known-graph.ts";
import { LinkPanel } from "./link-panel.tsx";

/** From here on services with the same beginning are one node, unless one wants to see them all. */
const GROUPED_FROM = 150;

export function GraphView() {
  const { graph: whole, isLoading } = useKnownGraph();
  const query = address.value;
  const [search, setSearch] = useState("");
  const wanted = query.get("group");
  const isGrouped = wanted === "prefix" || (wanted === null && whole.nodes.length >= GROUPED_FROM);
  const openText = query.get("open") ?? "";
  const open = useMemo(() => new Set(openText.split(",").filter(Boolean)), [openText]);
  const all = seconds.value;
  const graph = useMemo(() => (isGrouped ? collapseByPrefix(whole, open) : whole), [whole, isGrouped, open]);
  const numbers = useMemo(() => recentNumbers(all), [all]);
  const matches = useMemo(() => findMatches(graph, search), [graph, search]);
  const link = query.get("link");
  const selected = graph.nodes.find(
    ({ id, members }) => id === link || (link !== null && members.includes(link)),
  );
  const select = (id: string | undefined) => navigate(linkHere({ link: id }), "replace");
  useEffect(() => {
    document.title = "chain-link";
  }, []);
  if (graph.nodes.length === 0) return <EmptyGraph isLoading={isLoading} />;

  const liveOf = (node: GraphNode) => sumOf(node.members.map((name) => numbers.services.get(name)));
  const liveOn = ({ members }: GraphEdge) =>
    sumOf(members.map(([from, to]) => numbers.edges.get(edgeKey(from, to))));
  const panelNode =
    selected !== undefined && link !== null && selected.id !== link
      ? { id: link, members: [link] }
      : selected;
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
                const [found] = matches ?? [];
                if (event.key === "Enter" && found !== undefined) select(found);
              }}
            />
          </label>
          {matches !== null && <span class="status">{formatCount(matches.size, "link")} found</span>}
          <Totals links={whole.nodes.length} />
          <span class="gap" />
          <a
            class="chip"
            href={linkHere({ group: isGrouped ? "none" : "prefix", link: undefined, open: undefined })}
            aria-current={isGrouped ? "true" : undefined}
          >
            {isGrouped
              ? `Grouped by prefix: ${graph.nodes.length} of ${whole.nodes.length}`
              : "Group by prefix"}
          </a>
        </div>
        {isAllowed.value && <FaultPresets />}
        <Drawing
          graph={graph}
          selectedId={selected?.id}
          matches={matches}
          onSelect={select}
          onOpen={(node) => navigate(linkHere({ open: [...open, node.id].join(","), link: undefined }))}
          edgeLook={(edge) => {
            const live = liveOn(edge);
            const label = live !== undefined && live.perSecond > 0 ? formatRate(live.perSecond) : "";
            return { className: healthOf(live), widthPx: widthOf(live), label };
          }}
          nodeClass={(node) => (isStopped(node) ? "stopped" : healthOf(liveOf(node)))}
          renderNode={(node) => <LinkNode node={node} live={liveOf(node)} />}
          callout={(node) => {
            const live = liveOf(node);
            if (isStopped(node)) return { rank: 2, text: "stopped" };
            const share = live?.errorShare ?? 0;
            return { rank: share >= 0.01 ? share : 0, text: share > 0 ? `${formatShare(share)} errors` : "" };
          }}
        />
        {liveState.value === "lost" && (
          <p class="banner" role="status">
            The collector does not answer; the numbers are old. Is chain-link still running?
          </p>
        )}
      </div>
      {panelNode !== undefined && (
        <LinkPanel node={panelNode} graph={whole} numbers={numbers} onClose={() => select(undefined)} />
      )}
    </section>
  );
}

/** `null` when nothing is searched for. */
function findMatches(graph: Graph, search: string): ReadonlySet<string> | null {
  const wanted = search.trim().toLowerCase();
  if (wanted === "") return null;
  const isMatch = ({ id, members }: GraphNode) =>
    [id, ...members].some((name) => name.toLowerCase().includes(wanted));
  return new Set(graph.nodes.filter(isMatch).map(({ id }) => id));
}

function isStopped({ members }: GraphNode): boolean {
  return members.some((name) => control.value?.faults[name]?.isStopped);
}

function Totals({ links }: { readonly links: number }) {
  const last = seconds.value.at(-1);
  if (last === undefined) return <span class="status">waiting for the first numbers …</span>;
  const lost = last.spans.dropped;
  const { proof } = last;
  return (
    <span class="status">
      {formatCount(links, "link")}, {formatCount(last.spans.accepted, "span")} in the last second
      {lost > 0 && <b class="bad"> {formatCount(lost, "span")} dropped</b>}
      {proof !== undefined && (
        <a class={`proof-total ${proof.incomplete > 0 ? "bad" : "good"}`} href={linkTo({ view: "verify" })}>
          <Icon name={proof.incomplete > 0 ? "error" : "check"} />
          {proof.incomplete > 0
            ? `${formatCount(proof.incomplete, "trace")} incomplete`
            : `${formatCount(proof.complete, "trace")} complete`}
        </a>
      )}
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

function LinkNode({ node, live }: { readonly node: GraphNode; readonly live: Recent | undefined }) {
  const hasFault = node.members.some((name) => control.value?.faults[name] !== undefined);
  const isQuiet = live === undefined || live.perSecond === 0;
  return (
    <>
      <span class="node-name">
        {node.members.length > 1 && <span class="badge">{node.members.length}</span>}
        {node.id}
        {hasFault && (
          <span class="fault-mark" title="A fault is set">
            fault
          </span>
        )}
      </span>
      <span class="node-facts">
        {isQuiet ? (
          <span class="quiet-text">{isStopped(node) ? "stopped" : "no requests"}</span>
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
    </>
  );
}
