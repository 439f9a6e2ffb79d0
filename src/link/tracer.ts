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

  constructor(options: TracerOptions) {
    this.#options = options;
    this.#localEndpoint = { serviceName: options.serviceName.toLowerCase(), port: options.port };
  }

  startRequest(header: HeaderReader): RequestTrace {
    const { propagators, sampler } = this.#options;
    const incoming = extractContext(header);
    const traceId = incoming.traceId ?? newTraceId();
    const sampled = incoming.sampled ?? sampler(traceId);
    const forms = incoming.forms.length === 0 ? propagators : incoming.forms;
    const serverId = newSpanId();
    const startMicros = nowMicros();
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
        const callMicros = sampled ? nowMicros() : 0;
        return {
          headers: injectContext(context, forms),
          finish: (tags, remote) => {
            if (!sampled) return;
            this.#record("CLIENT", CALL_SPAN_NAME, context, callMicros, tags, remote);
          },
        };
      },
      finish: (name, tags, remote) => {
        if (!sampled) return;
        const ids = { traceId, spanId: serverId, parentId, debug: incoming.debug };
        this.#record("SERVER", name.toLowerCase(), ids, startMicros, tags, remote);
      },
    };
  }

  #record(
    kind: SpanKind,
    name: string,
    ids: Pick<OutgoingContext, "traceId" | "spanId" | "parentId" | "debug">,
    startMicros: number,
    tags: Record<string, string>,
    remote: Endpoint | undefined,
  ): void {
    this.#options.report({
      traceId: ids.traceId,
      id: ids.spanId,
      ...(ids.parentId === null ? {} : { parentId: ids.parentId }),
      kind,
      name,
      timestamp: startMicros,
      duration: Math.max(1, nowMicros() - startMicros),
      localEndpoint: this.#localEndpoint,
      ...(remote === undefined ? {} : { remoteEndpoint: remote }),
      tags: { ...tags, ...this.#options.commonTags },
      ...(ids.debug ? { debug: true } : {}),
    });
  }
}

/**
 * A load generator records no span: it names the low half of the trace id as parent, which makes this link's span
 * the root.
 */
function recordedParent(incoming: IncomingContext): string | null {
  return incoming.traceId !== null && incoming.traceId.slice(-16) === incoming.parentId
    ? null
    : incoming.parentId;
}

function nowMicros(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

/** Always or never, or the given share of traces, by the low half of the id as OpenTelemetry's TraceIdRatioBased. */
export function ratioSampler(ratio: number): Sampler {
  if (ratio >= 1) return () => true;
  if (ratio <= 0) return () => false;
  // 52 bits of the id are enough for any ratio that a person writes, and exact as a number.
  const bound = ratio * 2 ** 52;
  return (traceId) => Number.parseInt(traceId.slice(-13), 16) < bound;
}
