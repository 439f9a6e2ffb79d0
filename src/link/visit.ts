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

/** What all requests of a link share. */
export interface VisitParts extends RecorderParts {
  readonly plans: Plans;
  /** Forms that leave when none came in. */
  readonly propagators: readonly Propagator[];
  readonly sampler: Sampler;
  readonly log: LinkLog;
  readonly stats: LinkStats;
  /** Visits under way whose callers have gone: nothing else knows of them. */
  readonly abandoned: Set<Visit>;
}

/**
 * One request on its way through a link, from its context to its answer. A connection has one of these for its whole
 * life, as it carries one request at a time, so that a request makes no objects.
 *
 *     begin -> stay -> steps -> answer
 *                |
 *                +-> refusal, error status, reset, silence
 *
 * A request to a service without behaviors runs down this file without a promise.
 */
export class Visit implements StepsOwner {
  readonly context: RequestContext;
  readonly account: RequestLedger;
  readonly #recorder: Recorder;
  readonly #parts: VisitParts;
  readonly #exchange: Exchange;
  /** When the event came that is being handled, on the clock of `performance.now()`: read once for each. */
  nowMs = 0;
  /** The link ended before the request did; what is still to come has no effect. */
  isOver = false;
  #isUnderWay = false;
  #isSilent = false;
  /** In the care of the service's behaviors. */
  #stay: BehaviorRun | null = null;
  #route: Route | null = null;
  #startMs = 0;
  #plan: Plan | null = null;
  readonly #steps = new Steps(this);

  constructor(parts: VisitParts, exchange: Exchange) {
    this.#parts = parts;
    this.#exchange = exchange;
    this.#recorder = new Recorder(parts, exchange);
    this.context = this.#recorder.context;
    this.account = this.#recorder.account;
    exchange.onGone = () => this.#loseCaller();
  }

  /** Whether it has not ended, and is of the trace with this low half, or named this span as parent. */
  isFor(id: SpanWords): boolean {
    const { traceLow, parent, isStart, isSampled } = this.context;
    return this.#isUnderWay && isSampled && !isStart && (isSame(traceLow, id) || isSame(parent, id));
  }

  get stats(): LinkStats {
    return this.#parts.stats;
  }

  get fields(): Fields {
    return this.#exchange.head.fields;
  }

  /** Something has happened: what is done about it takes no time by our clock. */
  noteTime(): void {
    this.nowMs = performance.now();
  }

  /** Takes a request. */
  begin(route: Route | null): void {
    const { stats, propagators, sampler } = this.#parts;
    this.noteTime();
    this.#startMs = this.nowMs;
    this.#route = route;
    this.#isUnderWay = true;
    stats.inFlight++;
    this.account.clear();
    this.context.start(this.#exchange, propagators, sampler);
    const { head } = this.#exchange;
    if (route === null) this.#answer(answerUnrouted(this.#exchange));
    else if (isRead(head) || (route === "/forward" && isPost(head))) this.#serve();
    else this.#answer(refuseMethod(this.#exchange.method, route === "/forward"));
  }

  /** Answers now, whatever is still to come: the link is ending. */
  cancel(): void {
    if (!this.#isUnderWay) return;
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

  /** All calls are made, or one failed: what it or the last said is the answer, unless the link has its own. */
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
    const { conduct } = plan;
    if (conduct !== null) {
      this.#behave(conduct, isLogged).catch(exposeMistake);
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

  /** What a link does besides calling others. */
  async #behave(conduct: PreparedBehavior, isLogged: boolean): Promise<void> {
    const { log, stats } = this.#parts;
    const stay = new BehaviorRun(conduct);
    this.#stay = stay;
    const verdict = await stay.begin(stats, isLogged ? log : null);
    if (this.isOver) return;
    this.noteTime();
    const plan = this.#plan as Plan;
    if (isLogged) this.#logService(plan);
    if (verdict === "serve") this.#steps.begin(plan.steps);
    else if (typeof verdict === "object") this.#fail(verdict, conduct.role.name);
    else this.#refuse(verdict, conduct);
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

  /** Fails as the topology asks. */
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

  /** The caller has gone before the answer. */
  #loseCaller(): void {
    if (!this.#isUnderWay) return;
    if (this.#isSilent) this.#endUnanswered("silence");
    else this.#parts.abandoned.add(this);
  }

  /** Records and counts the request, which gets no answer. */
  #endUnanswered(cause: Cause): void {
    const { stats, log } = this.#parts;
    this.noteTime();
    this.#recordServer(0, cause);
    stats.recordUnanswered(cause);
    if (log.hasAccessLog) this.#logAccess(0, this.nowMs - this.#startMs);
    this.#end();
  }

  /** A callee's answer is ours. */
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
    // The caller shall take its next request elsewhere.
    if (stats.isDraining) this.#exchange.closeAfter();
    this.#end();
    const out = this.#exchange.begin(head, status);
    this.#writeHeaders(out);
  }

  #recordServer(status: number, cause: Cause | null): void {
    if (!this.context.isSampled) return;
    this.#recorder.recordServer(this.#route, status, cause, this.#startMs, this.nowMs);
  }

  /** Not before the span is recorded: the end of the link waits for this. */
  #end(): void {
    const { stats, abandoned } = this.#parts;
    this.#isUnderWay = false;
    stats.inFlight--;
    if (abandoned.size > 0) abandoned.delete(this);
    if (this.#stay === null) return;
    this.#stay.end();
    this.#stay = null;
  }

  #writeHeaders(out: ByteWriter): void {
    this.account.writeHeader(out);
    if (this.context.isStart) this.context.writeTraceResponse(out);
  }

  #logAccess(status: number, durationMs: number): void {
    const { method, target } = this.#exchange;
    this.#parts.log.access({ method, path: target, status, durationMs, traceId: this.context.traceId });
  }
}

function isSame(a: SpanWords, b: SpanWords): boolean {
  return a.low === b.low && a.high === b.high;
}
