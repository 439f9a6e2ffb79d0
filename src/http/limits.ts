/** What a server bears. */
export interface ServerLimits {
  /** Request line and headers. @default 32 KiB, as nginx */
  readonly headBytes: number;
  /** @default 1 MiB */
  readonly bodyBytes: number;
  /** Connections at a time; further ones are answered with 503. @default 16,384 */
  readonly connections: number;
  /** From the first byte of a head to its last. @default 10 s */
  readonly headTimeoutMs: number;
  /** From the head to the last byte of the body. @default 60 s */
  readonly bodyTimeoutMs: number;
  /** Without a request, or without a reader for an answer. @default 60 s */
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

/** What a client bears. */
export interface ClientLimits {
  /** Status line and headers of a response, and all before it with a status below 200. @default 64 KiB */
  readonly headBytes: number;
  /** @default 64 MiB */
  readonly bodyBytes: number;
  /** How much of a body is kept, from its start; the rest is read and dropped. @default all */
  readonly keptBodyBytes: number;
  /** Connections that are kept for later, for each upstream. @default 1,024 */
  readonly idleConnections: number;
  /** After so long without use a connection is closed: before a server of ours does. @default 30 s */
  readonly idleTimeoutMs: number;
  /**
   * After so long a connection is not used again, so that its name is resolved anew and callees that were added get
   * their share. @default 60 s
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
