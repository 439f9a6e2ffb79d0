export const NODE_WIDTH = 176;
export const NODE_HEIGHT = 58;

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Layout {
  /** Center of each node. */
  readonly nodes: ReadonlyMap<string, Point>;
  /** An SVG path and a label position for each edge, in the order of the graph's edges. */
  readonly edges: readonly { readonly path: string; readonly label: Point }[];
  readonly width: number;
  readonly height: number;
  /** There are so many nodes that edges would hide them. */
  readonly isMap?: boolean;
}
