import type { ComponentChildren } from "preact";
import type { Graph, GraphEdge, GraphNode } from "./graph-model.ts";
import type { EdgeLook } from "./health.ts";

/** How nodes and edges look, and what they say. */
export interface NodeLooks {
  readonly edgeLook: (edge: GraphEdge) => EdgeLook;
  /** Classes of a node: its health, or whatever else must be visible from afar. */
  readonly nodeClass: (node: GraphNode) => string;
  readonly renderNode: (node: GraphNode) => ComponentChildren;
  /** Text shown for a node from afar. The higher the rank, the worse; 0 shows nothing. */
  readonly callout: (node: GraphNode) => { readonly rank: number; readonly text: string };
}

export interface DrawingProps extends NodeLooks {
  readonly graph: Graph;
  readonly selectedId: string | undefined;
  /** The nodes that match the search; `null` without a search. */
  readonly matches: ReadonlySet<string> | null;
  readonly onSelect: (id: string | undefined) => void;
  readonly onOpen?: (node: GraphNode) => void;
}
