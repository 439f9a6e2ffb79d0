/** Limits of a server. */
export interface ServerLimits {
  /** Request line and headers. @default 32 KiB, as in nginx */
  readonly headBytes: number;
  /** @default 1 MiB */
  readonly bodyBytes: number;
  /** Maximum open connections; further ones are answered with 503. @default 16,384 */
  readonly connections: number;
  /** From the first byte of the head to its last. @default 10 s */
  readonly headTimeoutMs: number;
  /** From the head to the last byte of the body. @default 60 s */
  readonly bodyTimeoutMs: number;
  /** While no request arrives, or the peer does not read its answer. @default 60 s */
  readonly idleTimeoutMs: number;
}

export const SERVER_LIMITS: ServerLimits = {
  headBytes: 32 * 1024,
  bodyBytes: 1024 * 1024,
  connections: 16_384,
  headTimeoutMs: 10_000,
  bodyTimeoutMs: 60_000,
  idleTimeoutMs: 60_000,
};

/** Limits of a client. */
export interface ClientLimits {
  /** Status line and headers of a response, including all interim responses (status below 200). @default 64 KiB */
  readonly headBytes: number;
  /** @default 64 MiB */
  readonly bodyBytes: number;
  /** How much of a body to keep, from its start; the rest is read and dropped. @default all */
  readonly keptBodyBytes: number;
  /** Maximum idle connections to keep for each upstream. @default 1,024 */
  readonly idleConnections: number;
  /** An idle connection is closed after this time, which is before our own servers close it. @default 30 s */
  readonly idleTimeoutMs: number;
  /**
   * A connection is not reused after this time, so that its name is resolved again and new callees get their share of
   * the traffic. @default 60 s
   */
  readonly maxAgeMs: number;
}

export const CLIENT_LIMITS: ClientLimits = {
  headBytes: 64 * 1024,
  bodyBytes: 64 * 1024 * 1024,
  keptBodyBytes: Number.POSITIVE_INFINITY,
  idleConnections: 1024,
  idleTimeoutMs: 30_000,
  maxAgeMs: 60_000,
};
