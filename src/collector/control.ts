/** Carries the token where a proxy takes `Authorization` for itself; otherwise that has it, as `Bearer`. */
export const TOKEN_HEADER = "chain-link-token";

/** The faults injected into one link; absent fields are as the topology says. */
export interface LinkFaultJson {
  /** Added to each request, milliseconds. */
  readonly latencyMs?: number | undefined;
  /** Share (0 to 1) of requests answered with 500. */
  readonly errorRate?: number | undefined;
  /** Nobody listens on its port. */
  readonly isStopped?: boolean | undefined;
}

/** A change that was made, to be shown on charts. */
export interface Mark {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly text: string;
}

/** The answer of `GET /api/control`. */
export interface ControlState {
  /** Whether the token that came with the question may change things. */
  readonly isAllowed: boolean;
  readonly services: readonly string[];
  /** Those whose process has ended by itself, or was killed: nothing starts them again. */
  readonly gone: readonly string[];
  /** `null`: no load is driven from here. */
  readonly load: { readonly ratePerSecond: number } | null;
  /** By link; those without a fault are absent. */
  readonly faults: Readonly<Record<string, LinkFaultJson>>;
  /** `until`: milliseconds since 1970; `null` when it is up, or down until told otherwise. */
  readonly backend: { readonly isDown: boolean; readonly until: number | null };
  /** Oldest first. */
  readonly marks: readonly Mark[];
}
