import type { ResultHead } from "./result-head.ts";

/** What became of the context on an edge, the worst first; `unused`: the edge was not called, or lies below a broken one. */
export const EDGE_STATES = ["broken", "changed", "unknown", "kept", "unused"] as const;

export interface EdgeFinding {
  readonly state: (typeof EDGE_STATES)[number];
  readonly detail: string | null;
  /** Where it is to be seen. */
  readonly traceId: string | null;
}

export interface PropagationResult extends ResultHead {
  readonly outcome: "kept" | "broken" | "could-not-tell";
  readonly requests: number;
  readonly edges: readonly string[];
  readonly forms: readonly {
    readonly form: string;
    readonly edges: Readonly<Record<string, EdgeFinding>>;
  }[];
}
