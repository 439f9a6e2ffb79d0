import { useEffect, useMemo, useState } from "preact/hooks";
import type { DependencyLink } from "../../src/contract/dependency-link.ts";
import { topology } from "../control/control-client.ts";
import { formatCompact, formatCount, formatShare } from "../format.ts";
import { edgeKey } from "../shell/edge-key.ts";
import { Icon } from "../shell/icon.tsx";
import { Notice } from "../shell/notice.tsx";
import type { Period } from "../shell/period.tsx";
import type { Answer } from "../shell/request.ts";
import { readDependencies } from "./dependencies.ts";
import { collectGraph, type Graph, type GraphEdge, type GraphNode, sortGraph } from "./graph-model.ts";
import { GraphPage } from "./graph-page.tsx";
import { healthOfErrors } from "./health.ts";
import { NodeName } from "./node-name.tsx";
import { LatestTraces, Members, type NeighborCells, Neighbors, NodePanel } from "./node-panel.tsx";

/** The graph of a past period: its calls, how many there were, and how many failed. */
export function PastGraph({ period }: { readonly period: Period }) {
  const answer = useCalls(period);
  const links = answer?.kind === "ok" ? answer.value : NO_LINKS;
  const described = topology.value;
  const whole = useMemo(() => sortGraph(collectGraph(null, links, []), described), [links, described]);
  const calls = useMemo(() => new PastCalls(links), [links]);
  return (
    <GraphPage
      whole={whole}
      period={period}
      totals={links.length > 0 && <Totals links={whole.nodes.length} sum={calls.all} />}
      edgeLook={(edge) => {
        const sum = calls.on(edge);
        return { className: healthOf(sum), widthPx: widthOf(sum), label: formatCompact(sum.calls) };
      }}
      nodeClass={(node) => healthOf(calls.of(node))}
      renderNode={(node) => <PastNode node={node} sum={calls.of(node)} />}
      callout={(node) => {
        const share = shareOf(calls.of(node));
        return { rank: share >= 0.01 ? share : 0, text: share > 0 ? `${formatShare(share)} errors` : "" };
      }}
      renderPanel={(node, onClose) => (
        <PastPanel node={node} graph={whole} links={links} period={period} onClose={onClose} />
      )}
      empty={<Empty answer={answer} />}
    />
  );
}

const NO_LINKS: readonly DependencyLink[] = [];

/** Read once, because the past does not change. */
function useCalls({ lookback, endTs }: Period): Answer<readonly DependencyLink[]> | null {
  const [answer, setAnswer] = useState<Answer<readonly DependencyLink[]> | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    setAnswer(null);
    void readDependencies({ lookback, endTs }, controller.signal).then((next) => {
      if (!controller.signal.aborted) setAnswer(next);
    });
    return () => controller.abort();
  }, [lookback, endTs]);
  return answer;
}

interface CallSum {
  readonly calls: number;
  readonly errors: number;
}

/** Adds up calls by edge and by callee, also for groups. */
class PastCalls {
  readonly all: CallSum;
  readonly #edges = new Map<string, CallSum>();
  readonly #callees = new Map<string, CallSum>();

  constructor(links: readonly DependencyLink[]) {
    const sums = links.map(sumOfLink);
    this.all = addUp(sums);
    for (const [index, { parent, child }] of links.entries()) {
      this.#edges.set(edgeKey(parent, child), sums[index] as CallSum);
      this.#callees.set(child, addUp([this.#callees.get(child), sums[index]]));
    }
  }

  on({ members }: GraphEdge): CallSum {
    return addUp(members.map(([from, to]) => this.#edges.get(edgeKey(from, to))));
  }

  of({ members }: GraphNode): CallSum {
    return addUp(members.map((name) => this.#callees.get(name)));
  }
}

function sumOfLink({ callCount, errorCount = 0 }: DependencyLink): CallSum {
  return { calls: callCount, errors: errorCount };
}

function addUp(list: readonly (CallSum | undefined)[]): CallSum {
  return {
    calls: list.reduce((sum, one) => sum + (one?.calls ?? 0), 0),
    errors: list.reduce((sum, one) => sum + (one?.errors ?? 0), 0),
  };
}

function shareOf({ calls, errors }: CallSum): number {
  return calls === 0 ? 0 : errors / calls;
}

function healthOf(sum: CallSum) {
  return sum.calls === 0 ? "idle" : healthOfErrors(shareOf(sum));
}

/** Width of a line in pixels, by calls; widest at a million. */
function widthOf({ calls }: CallSum): number {
  return Math.min(4, 1.25 + Math.log10(1 + calls) * 0.45);
}

function Totals({ links, sum }: { readonly links: number; readonly sum: CallSum }) {
  return (
    <>
      {formatCount(links, "link")}, {formatCount(sum.calls, "call")}
      {sum.errors > 0 && <b class="bad"> {formatCount(sum.errors, "error")}</b>}
    </>
  );
}

function PastNode({ node, sum }: { readonly node: GraphNode; readonly sum: CallSum }) {
  return (
    <>
      <NodeName name={node.id} members={node.members.length} />
      <span class="node-facts">
        {sum.calls === 0 ? (
          <span class="quiet-text">no callers</span>
        ) : (
          <>
            <b>{formatCompact(sum.calls)}</b>
            {sum.calls === 1 ? "call" : "calls"}
            {sum.errors > 0 && (
              <span class="bad">
                <Icon name="error" />
                {formatShare(shareOf(sum))}
                <span class="sr-only">errors</span>
              </span>
            )}
          </>
        )}
      </span>
    </>
  );
}

interface PastPanelProps {
  readonly node: GraphNode;
  readonly graph: Graph;
  readonly links: readonly DependencyLink[];
  readonly period: Period;
  readonly onClose: () => void;
}

function PastPanel({ node, graph, links, period, onClose }: PastPanelProps) {
  const [name = node.id] = node.members;
  const callers = graph.edges.filter(({ to }) => to === name).map(({ from }) => from);
  const callees = graph.edges.filter(({ from }) => from === name).map(({ to }) => to);
  const linkOf = (from: string, to: string) =>
    links.find(({ parent, child }) => parent === from && child === to);
  return (
    <NodePanel node={node} onClose={onClose}>
      {node.members.length > 1 ? (
        <Members names={node.members} />
      ) : (
        <>
          <Neighbors title="Called by" names={callers} cells={(other) => cellsOf(linkOf(other, name))} />
          <Neighbors title="Calls" names={callees} cells={(other) => cellsOf(linkOf(name, other))} />
          <LatestTraces service={name} period={period} />
        </>
      )}
    </NodePanel>
  );
}

function cellsOf(link: DependencyLink | undefined): NeighborCells {
  const sum = link === undefined ? { calls: 0, errors: 0 } : sumOfLink(link);
  return {
    facts: [formatCount(sum.calls, "call")],
    errors: sum.errors === 0 ? "" : formatShare(shareOf(sum)),
    isFailing: sum.errors > 0,
  };
}

function Empty({ answer }: { readonly answer: Answer<readonly DependencyLink[]> | null }) {
  if (answer === null) return <p class="loading">Looking for calls …</p>;
  if (answer.kind === "problem")
    return (
      <Notice title="The calls cannot be shown">
        <p>{answer.text}</p>
      </Notice>
    );
  return (
    <Notice title="No calls in this period">
      <p>The collector has no span of a call in this period. Choose another period, or watch live calls.</p>
    </Notice>
  );
}
