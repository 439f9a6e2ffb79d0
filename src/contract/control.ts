/** Header for the token where a proxy uses `Authorization` itself; elsewhere the token is sent there, as `Bearer`. */
export const TOKEN_HEADER = "chain-link-token";

/** The faults injected into one link. An absent field means no fault of that kind. */
export interface LinkFaultJson {
  /** Added to each request, milliseconds. */
  readonly latencyMs?: number | undefined;
  /** Share (0 to 1) of requests answered with 500. */
  readonly errorRate?: number | undefined;
  /** The link does not listen on its port. */
  readonly isStopped?: boolean | undefined;
}

/** A change, shown as a mark on charts. */
export interface Mark {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly text: string;
}

/** The answer of `GET /api/control`. */
export interface ControlState {
  /** Whether the request's token allows changes. */
  readonly isAllowed: boolean;
  readonly services: readonly string[];
  /** Services whose process has exited or was killed. They are not restarted. */
  readonly gone: readonly string[];
  /** `null` when this process drives no load. */
  readonly load: { readonly ratePerSecond: number } | null;
  /** Faults by link. Links without a fault are absent. */
  readonly faults: Readonly<Record<string, LinkFaultJson>>;
  /** `until`: milliseconds since 1970; `null` when it is up, or down indefinitely. */
  readonly backend: { readonly isDown: boolean; readonly until: number | null };
  /** Oldest first. */
  readonly marks: readonly Mark[];
}
