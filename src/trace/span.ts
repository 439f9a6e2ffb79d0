/**
 * A span in the shape of Zipkin v2 JSON. A list of them is a batch in wire format.
 * https://zipkin.io/zipkin-api/#/default/post_spans
 */
export interface Span {
  /** 16 or 32 lower-case hex digits. */
  readonly traceId: string;
  /** 16 lower-case hex digits. */
  readonly id: string;
  readonly parentId?: string;
  /** Absent for a local span. */
  readonly kind?: SpanKind;
  /** Lower case. */
  readonly name?: string;
  /** Start, microseconds since 1970. */
  readonly timestamp?: number;
  /** Microseconds, at least 1. */
  readonly duration?: number;
  readonly localEndpoint?: Endpoint;
  readonly remoteEndpoint?: Endpoint;
  readonly annotations?: readonly Annotation[];
  readonly tags?: Readonly<Record<string, string>>;
  readonly debug?: boolean;
  /** The SERVER half of a span whose id the client created. */
  readonly shared?: boolean;
}

export type SpanKind = "CLIENT" | "SERVER" | "PRODUCER" | "CONSUMER";

export interface Endpoint {
  /** Lower case. */
  readonly serviceName?: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly port?: number;
}

export interface Annotation {
  /** Microseconds since 1970. */
  readonly timestamp: number;
  readonly value: string;
}
