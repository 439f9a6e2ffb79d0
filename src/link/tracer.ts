import {
  extractContext,
  type HeaderReader,
  type IncomingContext,
  injectContext,
  type OutgoingContext,
  type Propagator,
} from "../trace/context.ts";
import { newSpanId, newTraceId } from "../trace/ids.ts";
import {
  addLedger,
  addSpan,
  addUnknown,
  EMPTY_LEDGER,
  formatLedger,
  hashService,
  parseLedger,
  type ServiceHash,
} from "../trace/ledger.ts";
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
  /** A callee that had to begin a trace although it was sent ours. */
  readonly onBrokenContext: (service: string) => void;
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
  /** The account of all spans that this link and those below it recorded for this request, as a header's value. */
  ledger(): string;
}

export interface CallTrace {
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Closes the CLIENT span of an attempt and takes the callee's account into this request's. */
  finish(service: string, tags: Record<string, string>, account: CalleeAccount): void;
}

/** What an answer says of the spans below; both are `null` where there was no answer, or one of a foreign service. */
export interface CalleeAccount {
  readonly ledger: string | null;
  readonly traceResponse: string | null;
  /** The attempt was sent twice on its way; the first may have made spans that nobody accounts for. */
  readonly isRepeated: boolean;
}

type SpanIds = Pick<OutgoingContext, "traceId" | "spanId" | "parentId" | "debug">;

interface SpanDetails {
  readonly tags: Record<string, string>;
  readonly remote: Endpoint | undefined;
}

/** The original's name of every CLIENT span, as Zipkin shows it. */
const CALL_SPAN_NAME = "http get";

/** Begins the traces of requests; one for each link. */
export class Tracer {
  readonly #options: TracerOptions;
  readonly #localEndpoint: Endpoint;
  readonly #serviceHash: ServiceHash;
  readonly #clock: WallClock;

  constructor(options: TracerOptions) {
    this.#options = options;
    this.#localEndpoint = { serviceName: options.serviceName.toLowerCase(), port: options.port };
    this.#serviceHash = hashService(options.serviceName);
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
    let ledger = EMPTY_LEDGER;
    const record = (kind: SpanKind, name: string, ids: SpanIds, startedMs: number, details: SpanDetails) => {
      if (!sampled) return;
      this.#record(kind, name, ids, startedMs, details);
      const { serviceName } = this.#options;
      ledger = addSpan(
        ledger,
        { id: ids.spanId, parentId: ids.parentId, kind, serviceName },
        this.#serviceHash,
      );
    };
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
          finish: (service, tags, account) => {
            record("CLIENT", CALL_SPAN_NAME, context, callStartMs, {
              tags,
              remote: { serviceName: service },
            });
            const isBroken = isOtherTrace(account.traceResponse, traceId);
            if (isBroken) this.#options.onBrokenContext(service);
            // An account of another trace is not part of this one.
            const below = isBroken || account.ledger === null ? null : parseLedger(account.ledger);
            ledger = below === null ? addUnknown(ledger) : addLedger(ledger, below);
            if (account.isRepeated) ledger = addUnknown(ledger);
          },
        };
      },
      finish: (name, tags, remote) => {
        const ids = { traceId, spanId: serverId, parentId, debug: incoming.debug };
        record("SERVER", name.toLowerCase(), ids, startMs, { tags, remote });
      },
      ledger: () => formatLedger(ledger),
    };
  }

  #record(kind: SpanKind, name: string, ids: SpanIds, startMs: number, { tags, remote }: SpanDetails): void {
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

/** Whether a callee's `traceresponse` names another trace than ours. */
function isOtherTrace(traceResponse: string | null, traceId: string): boolean {
  return traceResponse !== null && traceResponse.split("-")[1] !== traceId.padStart(32, "0");
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
