import { useEffect, useState } from "preact/hooks";
import type { LiveNumbers } from "../../src/collector/live.ts";
import { colorClass } from "../colors.ts";
import { isAllowed, topology } from "../control/control-client.ts";
import { FaultForm } from "../control/fault-form.tsx";
import { formatCount, formatDuration, formatRate, formatShare, formatTime } from "../format.ts";
import { linkHere, linkTo } from "../shell/address.ts";
import { Icon } from "../shell/icon.tsx";
import { edgeKey, mergeNumbers, type Recent, type recentNumbers, seconds } from "../shell/live.ts";
import { readJson } from "../shell/request.ts";
import { TimeChart } from "../shell/time-chart.tsx";
import type { Listing } from "../traces/listing.ts";
import type { Graph, GraphNode } from "./graph-model.ts";

interface LinkPanelProps {
  readonly node: GraphNode;
  readonly graph: Graph;
  readonly numbers: ReturnType<typeof recentNumbers>;
  readonly onClose: () => void;
}

/** One link: its numbers over time, what it does, whom it calls, its latest traces. */
export function LinkPanel({ node, graph, numbers, onClose }: LinkPanelProps) {
  const [name = node.id] = node.members;
  const isGroup = node.members.length > 1;
  const described = topology.value?.services.find((service) => service.name === name);
  const callees = graph.edges.filter((edge) => edge.from === name).map(({ to }) => to);
  const callers = graph.edges.filter((edge) => edge.to === name).map(({ from }) => from);
  return (
    <aside class={`panel ${colorClass(name)}`} aria-label={`About ${node.id}`}>
      <header>
        <i class="swatch" />
        <h2>{node.id}</h2>
        <button type="button" class="quiet" onClick={onClose} aria-label="Close" title="Close (Esc)">
          <Icon name="close" />
        </button>
      </header>
      <Charts members={node.members} />
      {isGroup ? (
        <section>
          <h3>{formatCount(node.members.length, "service")}</h3>
          <ul class="plain-list">
            {node.members.map((member) => (
              <li key={member}>
                <a href={linkHere({ group: undefined, open: undefined, link: member })}>{member}</a>
              </li>
            ))}
          </ul>
        </section>
      ) : (
        <>
          {isAllowed.value && <FaultForm link={name} key={name} />}
          {described !== undefined && described.behaviour.length > 0 && (
            <section>
              <h3>Behaviour</h3>
              <ul class="plain-list">
                {described.behaviour.map((line) => (
                  <li key={line}>{line}</li>
                ))}
              </ul>
            </section>
          )}
          <Neighbours
            title="Called by"
            names={callers}
            of={(other) => numbers.edges.get(edgeKey(other, name))}
          />
          <Neighbours title="Calls" names={callees} of={(other) => numbers.edges.get(edgeKey(name, other))} />
          <LatestTraces service={name} />
        </>
      )}
    </aside>
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

interface NeighboursProps {
  readonly title: string;
  readonly names: readonly string[];
  readonly of: (name: string) => Recent | undefined;
}

function Neighbours({ title, names, of }: NeighboursProps) {
  if (names.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <table class="numbers">
        <tbody>
          {names.map((name) => {
            const live = of(name);
            return (
              <tr key={name}>
                <th scope="row">
                  <a href={linkHere({ link: name })}>{name}</a>
                </th>
                <td>{live ? formatRate(live.perSecond) : "–"}</td>
                <td>{live ? formatDuration(live.p50) : ""}</td>
                <td class={live && live.errorShare > 0 ? "bad" : ""}>
                  {live ? formatShare(live.errorShare) : ""}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

function LatestTraces({ service }: { readonly service: string }) {
  const [listing, setListing] = useState<Listing | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    const query = new URLSearchParams({ serviceName: service, limit: "5" });
    void readJson<Listing>(`page/traces?${query}`, controller.signal).then((answer) => {
      if (answer.kind === "ok") setListing(answer.value);
    });
    return () => controller.abort();
  }, [service]);
  return (
    <section>
      <h3>Latest traces</h3>
      {listing !== null && (
        <ul class="plain-list traces-short">
          {listing.traces.map((trace) => (
            <li key={trace.traceId}>
              <a href={linkTo({ trace: trace.traceId })}>{formatTime(trace.timestamp)}</a>
              <span>{formatDuration(trace.duration)}</span>
              <span class="bad">{trace.errorCount > 0 ? formatCount(trace.errorCount, "error") : ""}</span>
            </li>
          ))}
        </ul>
      )}
      <p>
        <a href={linkTo({ view: "traces", serviceName: service })}>All traces of {service}</a>
      </p>
    </section>
  );
}
