import type { LiveNumbers } from "../../src/contract/live.ts";
import { isAllowed, topology } from "../control/control-client.ts";
import { FaultForm } from "../control/fault-form.tsx";
import { formatDuration, formatRate, formatShare } from "../format.ts";
import { edgeKey } from "../shell/edge-key.ts";
import { mergeNumbers, type Recent, type recentNumbers, seconds } from "../shell/live.ts";
import { TimeChart } from "../shell/time-chart.tsx";
import type { Graph, GraphNode } from "./graph-model.ts";
import { LatestTraces, Members, type NeighborCells, Neighbors, NodePanel } from "./node-panel.tsx";

interface LinkPanelProps {
  readonly node: GraphNode;
  readonly graph: Graph;
  readonly numbers: ReturnType<typeof recentNumbers>;
  readonly onClose: () => void;
}

/** One link: its numbers over time, its behavior, its calls, and its latest traces. */
export function LinkPanel({ node, graph, numbers, onClose }: LinkPanelProps) {
  const [name = node.id] = node.members;
  const isGroup = node.members.length > 1;
  const described = topology.value?.services.find((service) => service.name === name);
  const callees = graph.edges.filter((edge) => edge.from === name).map(({ to }) => to);
  const callers = graph.edges.filter((edge) => edge.to === name).map(({ from }) => from);
  return (
    <NodePanel node={node} onClose={onClose}>
      <Charts members={node.members} />
      {isGroup ? (
        <Members names={node.members} />
      ) : (
        <>
          {isAllowed.value && <FaultForm link={name} key={name} />}
          {described !== undefined && described.behavior.length > 0 && (
            <section>
              <h3>Behavior</h3>
              <ul class="plain-list">
                {described.behavior.map((line) => (
                  <li key={line}>{line}</li>
                ))}
              </ul>
            </section>
          )}
          <Neighbors
            title="Called by"
            names={callers}
            cells={(other) => cellsOf(numbers.edges.get(edgeKey(other, name)))}
          />
          <Neighbors
            title="Calls"
            names={callees}
            cells={(other) => cellsOf(numbers.edges.get(edgeKey(name, other)))}
          />
          <LatestTraces service={name} />
        </>
      )}
    </NodePanel>
  );
}

function Charts({ members }: { readonly members: readonly string[] }) {
  const wanted = new Set(members);
  const all = seconds.value;
  const numbers = all.map((second) => {
    const list: LiveNumbers[] = second.services.filter((service) => wanted.has(service.name));
    return list.length === 0 ? null : mergeNumbers(list, 1);
  });
  const times = all.map((second) => second.time / 1000);
  return (
    <>
      <TimeChart
        title="Requests"
        times={times}
        format={formatRate}
        lines={[
          { title: "all", color: "--series-1", values: numbers.map((one) => one?.perSecond ?? 0) },
          {
            title: "errors",
            color: "--error",
            dash: [4, 3],
            values: numbers.map((one) => (one === null ? 0 : one.perSecond * one.errorShare)),
          },
        ]}
      />
      <TimeChart
        title="Latency"
        times={times}
        format={(micros) => (micros === 0 ? "0" : formatDuration(micros))}
        lines={[
          { title: "p50", color: "--series-1", values: numbers.map((one) => one?.p50 ?? null) },
          { title: "p99", color: "--series-2", dash: [4, 3], values: numbers.map((one) => one?.p99 ?? null) },
        ]}
      />
    </>
  );
}

function cellsOf(live: Recent | undefined): NeighborCells {
  if (live === undefined) return { facts: ["–", ""], errors: "" };
  return {
    facts: [formatRate(live.perSecond), formatDuration(live.p50)],
    errors: formatShare(live.errorShare),
    isFailing: live.errorShare > 0,
  };
}
