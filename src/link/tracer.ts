import {
  extractContext,
  type HeaderReader,
  type IncomingContext,
  injectContext,
  type OutgoingContext,
  type Propagator,
} from "../trace/context.ts";
import { newSpanId, newTraceId } from "../trace/ids.ts";
import type { Endpoint, Span, SpanKind } from "../trace/span.ts";
import { MACHINE_CLOCK, type WallClock } from "./wall-clock.ts";

/** Decides about a trace that begins here, or whose caller left it to us. */
export type Sampler = (traceId: string) => boolean;

export interface TracerOptions {
  /** Service name of all spans. */
  readonly serviceName: string;
  readonly port: number;
  /** Forms that leave when none came in. */
  readonly propagators: readonly Propagator[];
  readonly sampler: Sampler;
  /** Added to every span. */
  readonly commonTags: Readonly<Record<string, string>>;
  /** Takes each finished span. */
  readonly report: (span: Span) => void;
  /** @default the machine's */
  readonly clock?: WallClock;
}

/** The part of one trace that a request makes in this link. */
export interface RequestTrace {
  readonly traceId: string;
  readonly sampled: boolean;
  /** True when no context came in: this link began the trace. */
  readonly isStart: boolean;
  /** Opens a CLIENT span; `headers` carry its context to the callee. */
  startCall(): CallTrace;
  /** Closes the SERVER span. */
  finish(name: string, tags: Record<string, string>, remote: Endpoint | undefined): void;
}

export interface CallTrace {
  readonly headers: readonly (readonly [name: string, value: string])[];
  finish(tags: Record<string, string>, remote: Endpoint): void;
}

/** The original's name of every CLIENT span, as Zipkin shows it. */
const CALL_SPAN_NAME = "http get";

/** Begins the traces of requests; one for each link. */
export class Tracer {
  readonly #options: TracerOptions;
  readonly #localEndpoint: Endpoint;
  readonly #clock: WallClock;

  constructor(options: TracerOptions) {
    this.#options = options;
    this.#localEndpoint = { serviceName: options.serviceName.toLowerCase(), port: options.port };
    this.#clock = options.clock ?? MACHINE_CLOCK;
  }

  startRequest(header: HeaderReader): RequestTrace {
    const { propagators, sampler } = this.#options;
    const incoming = extractContext(header);
    const traceId = incoming.traceId ?? newTraceId();
    const sampled = incoming.sampled ?? sampler(traceId);
    const forms = incoming.forms.length === 0 ? propagators : incoming.forms;
    const serverId = newSpanId();
    const startMs = performance.now();
    const parentId = recordedParent(incoming);
    return {
      traceId,
      sampled,
      isStart: incoming.traceId === null,
      startCall: () => {
        const context: OutgoingContext = {
          traceId,
          spanId: sampled ? newSpanId() : serverId,
          parentId: sampled ? serverId : parentId,
          sampled,
          debug: incoming.debug,
          tracestate: incoming.tracestate,
        };
        const callStartMs = performance.now();
        return {
          headers: injectContext(context, forms),
          finish: (tags, remote) => {
            if (!sampled) return;
            this.#record("CLIENT", CALL_SPAN_NAME, context, callStartMs, tags, remote);
          },
        };
      },
      finish: (name, tags, remote) => {
        if (!sampled) return;
        const ids = { traceId, spanId: serverId, parentId, debug: incoming.debug };
        this.#record("SERVER", name.toLowerCase(), ids, startMs, tags, remote);
      },
    };
  }

  #record(
    kind: SpanKind,
    name: string,
    ids: Pick<OutgoingContext, "traceId" | "spanId" | "parentId" | "debug">,
    startMs: number,
    tags: Record<string, string>,
    remote: Endpoint | undefined,
  ): void {
    this.#options.report({
      traceId: ids.traceId,
      id: ids.spanId,
      ...(ids.parentId === null ? {} : { parentId: ids.parentId }),
      kind,
      name,
      timestamp: this.#clock.toMicros(startMs),
      duration: Math.max(1, Math.round((performance.now() - startMs) * 1000)),
      localEndpoint: this.#localEndpoint,
      ...(remote === undefined ? {} : { remoteEndpoint: remote }),
      tags: { ...tags, ...this.#options.commonTags },
      ...(ids.debug ? { debug: true } : {}),
    });
  }
}

/**
 * A load generator records no span: it names the low half of the trace id as parent in its `traceparent`, which makes
 * this link's span the root. In B3 the equality says nothing: Zipkin's own tracers number the root span so.
 */
function recordedParent({ traceId, parentId, source }: IncomingContext): string | null {
  const isGenerated = source === "tracecontext" && traceId?.slice(-16) === parentId;
  return isGenerated ? null : parentId;
}

/** Always or never, or the given share of traces, by the low half of the id as OpenTelemetry's TraceIdRatioBased. */
export function ratioSampler(ratio: number): Sampler {
  if (ratio >= 1) return () => true;
  if (ratio <= 0) return () => false;
  // 52 bits of the id are enough for any ratio that a person writes, and exact as a number.
  const bound = ratio * 2 ** 52;
  return (traceId) => Number.parseInt(traceId.slice(-13), 16) < bound;
}
