import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Listing } from "../../src/contract/listing.ts";
import { colorClass } from "../colors.ts";
import { formatCount, formatDuration, formatTime } from "../format.ts";
import { linkHere, linkTo } from "../shell/address.ts";
import { Icon } from "../shell/icon.tsx";
import type { Period } from "../shell/period.tsx";
import { readJson } from "../shell/request.ts";
import type { GraphNode } from "./graph-model.ts";

interface NodePanelProps {
  readonly node: GraphNode;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/** The panel beside the graph: everything known about one node. */
export function NodePanel({ node, onClose, children }: NodePanelProps) {
  return (
    <aside class={`panel ${colorClass(node.members[0] ?? node.id)}`} aria-label={`About ${node.id}`}>
      <header>
        <i class="swatch" />
        <h2>{node.id}</h2>
        <button type="button" class="quiet" onClick={onClose} aria-label="Close" title="Close (Esc)">
          <Icon name="close" />
        </button>
      </header>
      {children}
    </aside>
  );
}

/** The services in a group. */
export function Members({ names }: { readonly names: readonly string[] }) {
  return (
    <section>
      <h3>{formatCount(names.length, "service")}</h3>
      <ul class="plain-list">
        {names.map((name) => (
          <li key={name}>
            <a href={linkHere({ group: undefined, open: undefined, link: name })}>{name}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}

export interface NeighborCells {
  readonly facts: readonly string[];
  readonly errors: string;
  readonly isFailing?: boolean;
}

interface NeighborsProps {
  readonly title: string;
  readonly names: readonly string[];
  readonly cells: (name: string) => NeighborCells;
}

export function Neighbors({ title, names, cells }: NeighborsProps) {
  if (names.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <table class="numbers">
        <tbody>
          {names.map((name) => {
            const { facts, errors, isFailing } = cells(name);
            return (
              <tr key={name}>
                <th scope="row">
                  <a href={linkHere({ link: name })}>{name}</a>
                </th>
                {facts.map((fact, column) => (
                  <td key={column}>{fact}</td>
                ))}
                <td class={isFailing ? "bad" : ""}>{errors}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

export function LatestTraces({ service, period }: { readonly service: string; readonly period?: Period }) {
  const [listing, setListing] = useState<Listing | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    const query = linkTo({ serviceName: service, limit: 5, ...period });
    void readJson<Listing>(`page/traces${query}`, controller.signal).then((answer) => {
      if (answer.kind === "ok") setListing(answer.value);
    });
    return () => controller.abort();
  }, [service, period?.lookback, period?.endTs]);
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
        <a href={linkTo({ view: "traces", serviceName: service, ...period })}>All traces of {service}</a>
      </p>
    </section>
  );
}
