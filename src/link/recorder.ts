import type { Exchange } from "../http/exchange.ts";
import { KIND_WORDS, type ServiceHash } from "../trace/ledger.ts";
import { PassedContext } from "./passed-context.ts";
import type { Reporter } from "./reporter.ts";
import { CALL, RequestContext, SERVER, TRACE_END } from "./request-context.ts";
import { NoRequestLedger, RequestLedger } from "./request-ledger.ts";
import type { Route } from "./route.ts";
import type { ServerTemplates } from "./server-templates.ts";
import { type SpanFormat, SpanRecord, type SpanTemplate } from "./span-format.ts";
import { NO_SPAN, type SpanId } from "./span-id.ts";
import type { Cause } from "./tags.ts";
import { VISITS } from "./visit-log.ts";
import { MACHINE_CLOCK } from "./wall-clock.ts";

export interface RecorderParts {
  readonly serviceHash: ServiceHash;
  readonly format: SpanFormat;
  readonly serverTemplates: ServerTemplates;
  readonly reporter: Reporter;
  /** Answers carry a ledger of their spans. */
  readonly hasLedger: boolean;
  readonly isTracing: boolean;
  /** The number of this link in the log of visits. */
  readonly linkNumber: number;
}

const SERVER_WORD = KIND_WORDS.SERVER as number;
const CLIENT_WORD = KIND_WORDS.CLIENT as number;

/** Scratch object, reused for every span. */
const record = new SpanRecord();

/** The trace of one request in this link: its context, spans and ledger. */
export class Recorder {
  readonly context: RequestContext;
  readonly ledger: RequestLedger;
  readonly #parts: RecorderParts;
  readonly #exchange: Exchange;
  /** The caller's address in the span format; `null` before it is rendered. */
  #peer: Uint8Array | null = null;
  readonly #noPeer: Uint8Array;

  constructor(parts: RecorderParts, exchange: Exchange) {
    this.#parts = parts;
    this.#exchange = exchange;
    this.context = parts.isTracing ? new RequestContext() : new PassedContext();
    this.ledger = parts.hasLedger ? new RequestLedger() : new NoRequestLedger();
    this.#noPeer = parts.format.renderPeer(null);
  }

  /** Records the CLIENT span of an attempt. Times are those of `performance.now()`. */
  recordCall(id: SpanId, digits: Uint8Array, template: SpanTemplate, startMs: number, endMs: number): void {
    const { ids, server } = this.context;
    for (let i = 0; i < 16; i++) ids[CALL + i] = digits[i] as number;
    this.#report(CALL, SERVER, template, startMs, endMs, this.#noPeer);
    this.ledger.addSpan(id, server, CLIENT_WORD, this.#parts.serviceHash);
  }

  /** Records the SERVER span. */
  recordServer(
    route: Route | null,
    status: number,
    cause: Cause | null,
    startMs: number,
    endMs: number,
  ): void {
    const { serverTemplates, serviceHash, format, linkNumber } = this.#parts;
    const { server, traceLow, parent, parentAt } = this.context;
    if (this.#peer === null) {
      const { peer } = this.#exchange;
      if (peer !== null) this.#peer = format.renderPeer(peer);
    }
    const template = serverTemplates.find(this.#exchange, route, status, cause, this.context.isCaptured);
    this.#report(SERVER, parentAt, template, startMs, endMs, this.#peer ?? this.#noPeer);
    this.ledger.addSpan(server, parentAt === -1 ? NO_SPAN : parent, SERVER_WORD, serviceHash);
    if (this.context.isStart) VISITS.lastBegunMs = endMs;
    else this.ledger.log(VISITS, linkNumber, traceLow, parent, endMs);
  }

  #report(
    idAt: number,
    parentAt: number,
    template: SpanTemplate,
    startMs: number,
    endMs: number,
    peer: Uint8Array,
  ): void {
    const { context } = this;
    record.ids = context.ids;
    record.traceAt = context.traceAt;
    record.traceEnd = TRACE_END;
    record.idAt = idAt;
    record.parentAt = parentAt;
    record.template = template;
    record.startMicros = MACHINE_CLOCK.toMicros(startMs);
    // Faster than `Math.round`.
    record.durationMicros = Math.max(1, Math.floor((endMs - startMs) * 1000 + 0.5));
    record.peer = peer;
    record.isDebug = context.isDebug;
    this.#parts.reporter.add(record);
  }
}
