import { useMemo } from "preact/hooks";
import { ownValue } from "../../src/lib/record.ts";
import { control, isAllowed } from "../control/control-client.ts";
import { FaultPresets } from "../control/fault-presets.tsx";
import { formatCount, formatDuration, formatRate, formatShare } from "../format.ts";
import { linkTo } from "../shell/address.ts";
import { edgeKey } from "../shell/edge-key.ts";
import { Icon } from "../shell/icon.tsx";
import { liveState, type Recent, recentNumbers, seconds } from "../shell/live.ts";
import { Notice } from "../shell/notice.tsx";
import type { GraphEdge, GraphNode } from "./graph-model.ts";
import { GraphPage } from "./graph-page.tsx";
import { healthOf, latencyShare, sumOf, widthOf } from "./health.ts";
import { useKnownGraph } from "./known-graph.ts";
import { LinkPanel } from "./link-panel.tsx";
import { NodeName } from "./node-name.tsx";

/** The graph of all known services, with the numbers of the last seconds. */
export function LiveGraph() {
  const { graph: whole, isLoading, problem } = useKnownGraph();
  const all = seconds.value;
  const numbers = useMemo(() => recentNumbers(all), [all]);
  const liveOf = (node: GraphNode) => sumOf(node.members.map((name) => numbers.services.get(name)));
  const liveOn = ({ members }: GraphEdge) =>
    sumOf(members.map(([from, to]) => numbers.edges.get(edgeKey(from, to))));
  return (
    <GraphPage
      whole={whole}
      period={undefined}
      totals={whole.nodes.length > 0 && <Totals links={whole.nodes.length} />}
      presets={isAllowed.value && whole.nodes.length > 0 && <FaultPresets />}
      edgeLook={(edge) => {
        const live = liveOn(edge);
        const label = live !== undefined && live.perSecond > 0 ? formatRate(live.perSecond) : "";
        return { className: healthOf(live), widthPx: widthOf(live), label };
      }}
      nodeClass={(node) => (stateOf(node) === "runs" ? healthOf(liveOf(node)) : "stopped")}
      renderNode={(node) => <LinkNode node={node} live={liveOf(node)} />}
      callout={(node) => {
        const live = liveOf(node);
        const state = stateOf(node);
        if (state !== "runs") return { rank: 2, text: state };
        const share = live?.errorShare ?? 0;
        return { rank: share >= 0.01 ? share : 0, text: share > 0 ? `${formatShare(share)} errors` : "" };
      }}
      renderPanel={(node, onClose) => (
        <LinkPanel node={node} graph={whole} numbers={numbers} onClose={onClose} />
      )}
      empty={isLoading ? <p class="loading">Looking for services …</p> : <NoServices problem={problem} />}
      banner={
        liveState.value === "lost" && (
          <p class="banner" role="status">
            The collector does not answer, so these numbers are out of date. Is chain-link still running?
          </p>
        )
      }
    />
  );
}

/** The worst state among the members of a node. */
function stateOf({ members }: GraphNode): "runs" | "stopped" | "has ended" {
  if (members.some((name) => control.value?.gone.includes(name))) return "has ended";
  return members.some((name) => ownValue(control.value?.faults, name)?.isStopped) ? "stopped" : "runs";
}

function Totals({ links }: { readonly links: number }) {
  const last = seconds.value.at(-1);
  if (last === undefined) return <>waiting for the first numbers …</>;
  const { accepted, dropped: lost, held } = last.spans;
  const { proof } = last;
  return (
    <>
      {formatCount(links, "link")}
      {/* Of another's collector it is not known. */}
      {accepted + held > 0 && `, ${formatCount(accepted, "span")} in the last second`}
      {lost > 0 && <b class="bad"> {formatCount(lost, "span")} dropped</b>}
      {proof !== undefined && (
        <a class={`proof-total ${proof.incomplete > 0 ? "bad" : "good"}`} href={linkTo({ view: "verify" })}>
          <Icon name={proof.incomplete > 0 ? "error" : "check"} />
          {proof.incomplete > 0
            ? `${formatCount(proof.incomplete, "trace")} incomplete`
            : `${formatCount(proof.complete, "trace")} complete`}
        </a>
      )}
    </>
  );
}

function NoServices({ problem }: { readonly problem: string | null }) {
  if (problem !== null)
    return (
      <Notice title="The services cannot be shown">
        <p>{problem}</p>
      </Notice>
    );
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
  const hasFault = node.members.some((name) => ownValue(control.value?.faults, name) !== undefined);
  const isQuiet = live === undefined || live.perSecond === 0;
  const state = stateOf(node);
  return (
    <>
      <NodeName name={node.id} members={node.members.length} hasFault={hasFault} />
      <span class="node-facts">
        {isQuiet ? (
          <span class="quiet-text">{state === "runs" ? "no requests" : state}</span>
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
