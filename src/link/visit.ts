import { prepareHead } from "../http/answer.ts";
import type { ByteWriter } from "../http/byte-writer.ts";
import type { Exchange } from "../http/exchange.ts";
import type { Fields } from "../http/fields.ts";
import { exposeMistake } from "../http/handler-error.ts";
import type { ErrorRule } from "../topology/model.ts";
import type { Propagator } from "../trace/context.ts";
import type { CallRun } from "./call-run.ts";
import type { LinkLog } from "./log.ts";
import { jsonHead, type Plan } from "./plan.ts";
import type { Plans } from "./plans.ts";
import { BehaviorRun, type PreparedBehavior } from "./prepared-behavior.ts";
import { Recorder, type RecorderParts } from "./recorder.ts";
import { REFUSALS, type Refusal } from "./refusal.ts";
import type { RequestContext } from "./request-context.ts";
import type { RequestLedger } from "./request-ledger.ts";
import { answerUnrouted, jsonResponse, type LinkResponse, refuseMethod } from "./response.ts";
import { isPost, isRead, type Route } from "./route.ts";
import type { Sampler } from "./sampler.ts";
import type { SpanTemplate } from "./span-format.ts";
import type { SpanId, SpanWords } from "./span-id.ts";
import type { LinkStats } from "./stats.ts";
import { Steps, type StepsOwner } from "./steps.ts";
import type { Cause } from "./tags.ts";

/** What all visits of a link share. */
export interface VisitParts extends RecorderParts {
  readonly plans: Plans;
  /** Formats to send if the request has no context. */
  readonly propagators: readonly Propagator[];
  readonly sampler: Sampler;
  readonly log: LinkLog;
  readonly stats: LinkStats;
  /** Visits in flight whose callers have disconnected: nothing else refers to them. */
  readonly abandoned: Set<Visit>;
}

/**
 * One request on its way through a link, from its context to its answer. A connection has one visit for its whole life,
 * because it carries one request at a time, so that requests do not allocate.
 *
 *     begin -> behavior -> steps -> answer
 *                  |
 *                  +-> refusal, error status, reset, silence
 *
 * A request to a service without behaviors runs straight down this file without a promise.
 */
export class Visit implements StepsOwner {
  readonly context: RequestContext;
  readonly ledger: RequestLedger;
  readonly #recorder: Recorder;
  readonly #parts: VisitParts;
  readonly #exchange: Exchange;
  /** When the current event occurred, as a time of `performance.now()`: read once per event. */
  nowMs = 0;
  /** The link ended before the request did; later events have no effect. */
  isOver = false;
  #isInFlight = false;
  #isSilent = false;
  /** Set while the service's behavior applies to the request. */
  #behaviorRun: BehaviorRun | null = null;
  #route: Route | null = null;
  #startMs = 0;
  #plan: Plan | null = null;
  readonly #steps = new Steps(this);

  constructor(parts: VisitParts, exchange: Exchange) {
    this.#parts = parts;
    this.#exchange = exchange;
    this.#recorder = new Recorder(parts, exchange);
    this.context = this.#recorder.context;
    this.ledger = this.#recorder.ledger;
    exchange.onGone = () => this.#loseCaller();
  }

  /** Whether it has not ended, and belongs to the trace with this low half or has this span as parent. */
  isFor(id: SpanWords): boolean {
    const { traceLow, parent, isStart, isSampled } = this.context;
    return this.#isInFlight && isSampled && !isStart && (isSame(traceLow, id) || isSame(parent, id));
  }

  get stats(): LinkStats {
    return this.#parts.stats;
  }

  get fields(): Fields {
    return this.#exchange.head.fields;
  }

  /** Sets the time of an event; handling the event takes no time by our clock. */
  noteTime(): void {
    this.nowMs = performance.now();
  }

  /** Begins to handle a request. */
  begin(route: Route | null): void {
    const { stats, propagators, sampler } = this.#parts;
    this.noteTime();
    this.#startMs = this.nowMs;
    this.#route = route;
    this.#isInFlight = true;
    stats.inFlight++;
    this.ledger.clear();
    this.context.start(this.#exchange, propagators, sampler);
    const { head } = this.#exchange;
    if (route === null) this.#answer(answerUnrouted(this.#exchange));
    else if (isRead(head) || (route === "/forward" && isPost(head))) this.#serve();
    else this.#answer(refuseMethod(this.#exchange.method, route === "/forward"));
  }

  /** Answers immediately, because the link is shutting down. */
  cancel(): void {
    if (!this.#isInFlight) return;
    this.isOver = true;
    this.noteTime();
    this.#answer(jsonResponse(503, { message: "shutting down" }), "shutdown");
  }

  /** Records the CLIENT span of an attempt. */
  recordCall(id: SpanId, digits: Uint8Array, startMs: number, template: SpanTemplate): void {
    this.#recorder.recordCall(id, digits, template, startMs, this.nowMs);
  }

  noteBrokenContext(service: string): void {
    this.#parts.stats.brokenContexts.add(service);
  }

  /** Answers with the failed call's or last call's answer, unless the link has its own. */
  answerServed(run: CallRun | null): void {
    const plan = this.#plan as Plan;
    if (run !== null && (run.status >= 300 || !plan.hasOwnAnswer)) {
      this.#passOn(run);
      return;
    }
    const body = plan.finalBody();
    this.#begin(jsonHead(200), 200);
    this.#exchange.finish(body, 0, body.length);
  }

  #serve(): void {
    const { plans, log } = this.#parts;
    const plan = plans.find(this.fields, this.context.positionIndex);
    const isLogged = log.admitRequest();
    if (plan === undefined) {
      this.#answer(jsonResponse(400, { message: "Invalid service" }));
      return;
    }
    this.#plan = plan;
    const { behavior } = plan;
    if (behavior !== null) {
      this.#behave(behavior, isLogged).catch(exposeMistake);
      return;
    }
    if (isLogged) this.#logService(plan);
    this.#steps.begin(plan.steps);
  }

  #logService({ role, steps }: Plan): void {
    const { log } = this.#parts;
    log.info(`current_service: ${role.name}`);
    for (const { calls } of steps) for (const { call } of calls) log.info(`next_service: ${call.service}`);
  }

  /** Applies the behavior, apart from calls. */
  async #behave(behavior: PreparedBehavior, isLogged: boolean): Promise<void> {
    const { log, stats } = this.#parts;
    const run = new BehaviorRun(behavior);
    this.#behaviorRun = run;
    const verdict = await run.begin(stats, isLogged ? log : null);
    if (this.isOver) return;
    this.noteTime();
    const plan = this.#plan as Plan;
    if (isLogged) this.#logService(plan);
    if (verdict === "serve") this.#steps.begin(plan.steps);
    else if (typeof verdict === "object") this.#fail(verdict, behavior.role.name);
    else this.#refuse(verdict, behavior);
  }

  #refuse(refusal: Refusal, { role, bucket }: PreparedBehavior): void {
    this.#parts.stats.refused.add(refusal);
    const content = { message: REFUSALS[refusal], service: role.name };
    if (refusal === "rate_limited") {
      const retryAfter = ["Retry-After", String(bucket?.retryAfterSeconds ?? 0)] as const;
      this.#answer(jsonResponse(role.behavior.rateLimit?.status ?? 429, content, [retryAfter]), refusal);
    } else {
      this.#answer(jsonResponse(503, content), refusal);
    }
  }

  /** Fails as the topology says. */
  #fail(fault: ErrorRule, service: string): void {
    this.#parts.stats.injected.add(fault.kind);
    if (fault.kind === "status") {
      this.#answer(jsonResponse(fault.status, { message: "injected error", service }), "status");
    } else if (fault.kind === "reset") {
      this.#endUnanswered("reset");
      this.#exchange.reset();
    } else {
      this.#isSilent = true;
      this.#exchange.leaveUnanswered();
    }
  }

  /** The caller disconnected before the answer. */
  #loseCaller(): void {
    if (!this.#isInFlight) return;
    if (this.#isSilent) this.#endUnanswered("silence");
    else this.#parts.abandoned.add(this);
  }

  /** Records and counts a request that gets no answer. */
  #endUnanswered(cause: Cause): void {
    const { stats, log } = this.#parts;
    this.noteTime();
    this.#recordServer(0, cause);
    stats.recordUnanswered(cause);
    if (log.hasAccessLog) this.#logAccess(0, this.nowMs - this.#startMs);
    this.#end();
  }

  /** Passes a callee's answer on. */
  #passOn(run: CallRun): void {
    if (run.response !== null) {
      this.#answer(run.response);
      return;
    }
    this.#begin(jsonHead(run.status), run.status);
    this.#exchange.finish(run.bytes, run.start, run.end);
  }

  #answer({ status, headers, body }: LinkResponse, cause: Cause | null = null): void {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    this.#begin(prepareHead(status, headers), status, cause);
    this.#exchange.finish(bytes, 0, bytes.length);
  }

  /** Records and counts the request, and begins its answer. */
  #begin(head: Uint8Array, status: number, cause: Cause | null = null): void {
    const { stats, log } = this.#parts;
    this.#recordServer(status, cause);
    const durationMs = this.nowMs - this.#startMs;
    stats.recordRequest(status, durationMs);
    if (log.hasAccessLog) this.#logAccess(status, durationMs);
    // The caller should send its next request elsewhere.
    if (stats.isDraining) this.#exchange.closeAfter();
    this.#end();
    const out = this.#exchange.begin(head, status);
    this.#writeHeaders(out);
  }

  #recordServer(status: number, cause: Cause | null): void {
    if (!this.context.isSampled) return;
    this.#recorder.recordServer(this.#route, status, cause, this.#startMs, this.nowMs);
  }

  /** Only after the span is recorded, because the shutdown of the link waits for this. */
  #end(): void {
    const { stats, abandoned } = this.#parts;
    this.#isInFlight = false;
    stats.inFlight--;
    if (abandoned.size > 0) abandoned.delete(this);
    if (this.#behaviorRun === null) return;
    this.#behaviorRun.end();
    this.#behaviorRun = null;
  }

  #writeHeaders(out: ByteWriter): void {
    this.ledger.writeHeader(out);
    if (this.context.isStart) this.context.writeTraceResponse(out);
    else if (this.context.isCaptured) this.context.writeTrace(out);
  }

  #logAccess(status: number, durationMs: number): void {
    const { method, target } = this.#exchange;
    this.#parts.log.access({ method, path: target, status, durationMs, traceId: this.context.traceId });
  }
}

function isSame(a: SpanWords, b: SpanWords): boolean {
  return a.low === b.low && a.high === b.high;
}
