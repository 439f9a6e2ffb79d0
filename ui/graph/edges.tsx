import { edgeKey } from "../shell/edge-key.ts";
import type { DrawingProps } from "./drawing-props.ts";
import type { GraphEdge } from "./graph-model.ts";
import type { Layout } from "./picture.ts";

interface EdgesProps extends Pick<DrawingProps, "graph" | "selectedId" | "matches" | "edgeLook"> {
  readonly layout: Layout;
}

/** The lines of a drawing and their labels. */
export function Edges({ graph, layout, selectedId, matches, edgeLook }: EdgesProps) {
  const stateOf = ({ from, to }: GraphEdge) => {
    const isDimmed = matches !== null && !(matches.has(from) || matches.has(to));
    const isNear = from === selectedId || to === selectedId;
    return `${isDimmed ? " dim" : ""}${isNear ? " near" : ""}`;
  };
  return (
    <svg class="edges" width={layout.width} height={layout.height} aria-hidden="true">
      <ArrowMarker />
      {graph.edges.map((edge, index) => {
        const { path } = layout.edges[index] as Layout["edges"][number];
        const { className, widthPx } = edgeLook(edge);
        return (
          <g key={edgeKey(edge.from, edge.to)} class={`edge ${className}${stateOf(edge)}`}>
            <path d={path} marker-end="url(#arrow)" style={{ strokeWidth: `${widthPx.toFixed(2)}px` }} />
          </g>
        );
      })}
      {/* After all lines, so that no line crosses a label. */}
      {graph.edges.map((edge, index) => {
        const { className, label: text } = edgeLook(edge);
        if (text === "") return null;
        const { label } = layout.edges[index] as Layout["edges"][number];
        return (
          <g key={edgeKey(edge.from, edge.to)} class={`edge ${className}${stateOf(edge)}`}>
            <text x={label.x} y={label.y}>
              {text}
            </text>
          </g>
        );
      })}
    </svg>
  );
}

function ArrowMarker() {
  return (
    <defs>
      <marker
        id="arrow"
        viewBox="0 0 8 8"
        refX="3"
        refY="4"
        markerWidth="6"
        markerHeight="6"
        orient="auto"
        markerUnits="userSpaceOnUse"
      >
        <path d="M0 0.8L7 4L0 7.2z" />
      </marker>
    </defs>
  );
}
