import { useEffect, useRef, useState } from "preact/hooks";
import { topology } from "../control/control-client.ts";
import { edgeKey, seconds } from "../shell/live.ts";
import { readJson } from "../shell/request.ts";
import { collectGraph, type DependencyLink, type Graph } from "./graph-model.ts";

/** All that was ever seen. The same object until something is new in it, so that it is not laid out each second. */
export function useKnownGraph(): { readonly graph: Graph; readonly isLoading: boolean } {
  const dependencies = useDependencies();
  const all = seconds.value;
  const seenTo = useRef(0);
  const fresh = all.filter((second) => second.time > seenTo.current);
  seenTo.current = all.at(-1)?.time ?? 0;
  const collected = collectGraph(topology.value, dependencies ?? [], fresh);
  const known = useRef<Graph>({ nodes: [], edges: [] });
  if (isNews(collected, known.current)) known.current = unite(known.current, collected);
  return { graph: known.current, isLoading: dependencies === null };
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
