import { useEffect, useRef, useState } from "preact/hooks";
import type { DependencyLink } from "../../src/contract/dependency-link.ts";
import { topology } from "../control/control-client.ts";
import { edgeKey } from "../shell/edge-key.ts";
import { seconds } from "../shell/live.ts";
import type { Answer } from "../shell/request.ts";
import { readDependencies } from "./dependencies.ts";
import { collectGraph, type Graph, sortGraph } from "./graph-model.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

interface KnownGraph {
  readonly graph: Graph;
  readonly isLoading: boolean;
  /** Why the calls could not be read; `null` if they were. */
  readonly problem: string | null;
}

/**
 * Every service and call seen so far. The object stays the same until something new appears, so that
 * the graph is not laid out every second.
 */
export function useKnownGraph(): KnownGraph {
  const answer = useDependencies();
  const dependencies = answer?.kind === "ok" ? answer.value : [];
  const all = seconds.value;
  const seenTo = useRef(0);
  const fresh = all.filter((second) => second.time > seenTo.current);
  seenTo.current = all.at(-1)?.time ?? 0;
  const collected = collectGraph(topology.value, dependencies, fresh);
  const known = useRef<Graph>({ nodes: [], edges: [] });
  const sortedBy = useRef(topology.value);
  if (isNews(collected, known.current) || sortedBy.current !== topology.value) {
    sortedBy.current = topology.value;
    known.current = sortGraph(unite(known.current, collected), topology.value);
  }
  return {
    graph: known.current,
    isLoading: answer === null,
    // Some collectors do not support this query.
    problem: answer?.kind === "problem" && answer.status !== 404 ? answer.text : null,
  };
}

function useDependencies(): Answer<readonly DependencyLink[]> | null {
  const [answer, setAnswer] = useState<Answer<readonly DependencyLink[]> | null>(null);
  useEffect(() => {
    void readDependencies({ lookback: DAY_MS, endTs: undefined }).then(setAnswer);
  }, []);
  return answer;
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
