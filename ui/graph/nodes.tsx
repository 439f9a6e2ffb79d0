import type { DrawingProps } from "./drawing-props.ts";
import { type Layout, NODE_HEIGHT, NODE_WIDTH, type Point } from "./picture.ts";

interface NodesProps extends DrawingProps {
  readonly layout: Layout;
}

/** The nodes of a drawing, as buttons. */
export function Nodes(props: NodesProps) {
  const { graph, layout, selectedId, matches, onSelect, onOpen, nodeClass, renderNode } = props;
  return (
    <>
      {graph.nodes.map((node) => {
        const at = layout.nodes.get(node.id) as Point;
        const isDim = matches !== null && !matches.has(node.id);
        return (
          <button
            type="button"
            key={node.id}
            class={`node ${nodeClass(node)}${isDim ? " dim" : ""}${node.members.length > 1 ? " group" : ""}`}
            data-id={node.id}
            aria-pressed={node.id === selectedId}
            title={node.id}
            style={{
              left: `${at.x - NODE_WIDTH / 2}px`,
              top: `${at.y - NODE_HEIGHT / 2}px`,
              width: `${NODE_WIDTH}px`,
              height: `${NODE_HEIGHT}px`,
            }}
            onClick={() => onSelect(node.id)}
            onDblClick={() => node.members.length > 1 && onOpen?.(node)}
          >
            {renderNode(node)}
          </button>
        );
      })}
    </>
  );
}
