import { useMemo, useState } from "preact/hooks";
import type { VerifyResult } from "../../src/contract/verify-result.ts";
import { ownValue } from "../../src/lib/record.ts";
import { formatCount } from "../format.ts";
import { Drawing } from "../graph/drawing.tsx";
import type { Graph, GraphEdge } from "../graph/graph-model.ts";
import { NodeName } from "../graph/node-name.tsx";
import { Icon } from "../shell/icon.tsx";

/** Whether the result has anything about links or calls. */
export function hasLossGraph({ links, calls, edges, brokenContexts }: VerifyResult): boolean {
  return [links, calls, edges, brokenContexts].some((known) => Object.keys(known).length > 0);
}

/** A graph of where spans are missing: by the link that recorded them and by the call they belong to. */
export function LossGraph({ result }: { readonly result: VerifyResult }) {
  const edges = [...result.calls, ...Object.keys(result.edges), ...Object.keys(result.brokenContexts)];
  const links = Object.keys(result.links);
  const graph = useMemo(() => graphOf(edges, links), [JSON.stringify([edges, links])]);
  const [selected, setSelected] = useState<string | undefined>(undefined);
  if (graph.nodes.length === 0) return null;
  const lostBy = (name: string) =>
    (ownValue(result.links, name)?.server ?? 0) + (ownValue(result.links, name)?.client ?? 0);
  const lostOn = ({ from, to }: GraphEdge) => result.edges[`${from} > ${to}`] ?? 0;
  const brokenOn = ({ from, to }: GraphEdge) => result.brokenContexts[`${from} > ${to}`] ?? 0;
  return (
    <Drawing
      graph={graph}
      selectedId={selected}
      matches={null}
      onSelect={setSelected}
      edgeLook={(edge) => {
        const [lost, broken] = [lostOn(edge), brokenOn(edge)];
        const label = lost > 0 ? `${lost.toLocaleString("en")} lost` : broken > 0 ? `${broken} broken` : "";
        return { className: label === "" ? "well" : "failing", widthPx: label === "" ? 1.25 : 2.5, label };
      }}
      nodeClass={({ id }) => (lostBy(id) > 0 ? "failing" : hasOther(result, id) ? "ailing" : "well")}
      renderNode={({ id }) => <LossNode name={id} result={result} />}
      callout={({ id }) => {
        const lost = lostBy(id);
        return { rank: lost, text: lost > 0 ? `misses ${formatCount(lost, "span")}` : "" };
      }}
    />
  );
}

function hasOther({ links, samplingIgnoredBy }: VerifyResult, name: string): boolean {
  const { altered = 0, copies = 0 } = ownValue(links, name) ?? {};
  return altered + copies > 0 || (ownValue(samplingIgnoredBy, name) ?? 0) > 0;
}

function LossNode({ name, result }: { readonly name: string; readonly result: VerifyResult }) {
  const { server = 0, client = 0, altered = 0, copies = 0 } = ownValue(result.links, name) ?? {};
  const ignored = ownValue(result.samplingIgnoredBy, name) ?? 0;
  const facts = [
    server > 0 && `${server} server`,
    client > 0 && `${client} client`,
    altered > 0 && `${altered} altered`,
    copies > 0 && `${copies} copies`,
    ignored > 0 && `${ignored} unsampled`,
  ].filter(Boolean);
  return (
    <>
      <NodeName name={name} />
      <span class="node-facts">
        {facts.length === 0 ? (
          <span class="quiet-text">nothing missing</span>
        ) : (
          <span class={server + client > 0 ? "bad" : ""}>
            {server + client > 0 && <Icon name="error" />}
            {server + client > 0 && <span class="sr-only">misses </span>}
            {facts.join(", ")}
          </span>
        )}
      </span>
    </>
  );
}

/** @param texts edges as `from > to` */
function graphOf(texts: readonly string[], links: readonly string[]): Graph {
  const edges = new Map<string, GraphEdge>();
  const names = new Set(links);
  for (const text of new Set(texts)) {
    const [from, to] = text.split(" > ");
    if (from === undefined || to === undefined || to === "") continue;
    // `?` is an unknown caller, which the graph does not show.
    names.add(to);
    if (from === "?") continue;
    names.add(from);
    edges.set(text, { from, to, members: [[from, to]] });
  }
  return { nodes: [...names].map((id) => ({ id, members: [id] })), edges: [...edges.values()] };
}
