import { prepareHead } from "../http/answer.ts";
import type { ByteWriter } from "../http/byte-writer.ts";
import type { Exchange } from "../http/exchange.ts";
import type { Fields } from "../http/fields.ts";
import { exposeMistake } from "../http/handler-error.ts";
import type { Propagator } from "../trace/context.ts";
import { KIND_WORDS, type ServiceHash } from "../trace/ledger.ts";
import { Account } from "./account.ts";
import { CallRun } from "./call-run.ts";
import type { LinkLog } from "./log.ts";
import { type CallPlan, jsonHead, type Plan } from "./plan.ts";
import type { Plans } from "./plans.ts";
import type { Reporter } from "./reporter.ts";
import { CALL, RequestContext, SERVER, TRACE_END } from "./request-context.ts";
import { jsonResponse, type LinkResponse, refuseMethod } from "./response.ts";
import { isRead, type Route } from "./route.ts";
import type { Sampler } from "./sampler.ts";
import type { ServerTemplates } from "./server-templates.ts";
import { type SpanFormat, SpanRecord } from "./span-format.ts";
import type { LinkStats } from "./stats.ts";
import { waitFor } from "./wait.ts";
import { MACHINE_CLOCK } from "./wall-clock.ts";

/** What all requests of a link share. */
export interface VisitParts {
  readonly plans: Plans;
  /** Forms that leave when none came in. */
  readonly propagators: readonly Propagator[];
  readonly sampler: Sampler;
  readonly serviceHash: ServiceHash;
  readonly format: SpanFormat;
  readonly serverTemplates: ServerTemplates;
  readonly reporter: Reporter;
  readonly log: LinkLog;
  readonly stats: LinkStats;
}

const LEDGER_NAME = Buffer.from("chain-link-ledger: ");
const LINE_END = Buffer.from("\r\n");
const NO_PEER = Buffer.alloc(0);
const SERVER_WORD = KIND_WORDS.SERVER as number;
const CLIENT_WORD = KIND_WORDS.CLIENT as number;

/** The span that is being written. */
const record = new SpanRecord();

/**
 * One request on its way through a link, from its context to its answer. A connection has one of these for its whole
 * life, as it carries one request at a time, so that a request makes no objects.
 *
 *     begin -> behaviour -> step -> step -> … -> answer
 *                            |  calls at the same time, each a CallRun
 *
 * A request without behaviour runs down this file without a promise.
 */
export class Visit {
  readonly context = new RequestContext();
  readonly account = new Account();
  readonly #parts: VisitParts;
  readonly #exchange: Exchange;
  #route: Route | null = null;
  #startMs = 0;
  #plan: Plan | null = null;
  #step = 0;
  /** Calls of the step, and how many of them are under way. */
  #calls = 0;
  #pending = 0;
  /** Those of the step; the array only grows. */
  readonly #runs: CallRun[] = [];
  /** The last call of the last step that made any, and the one whose place it takes. */
  #last: CallRun | null = null;
  #spare: CallRun | null = null;
  /** The caller's address, as spans have it. */
  #peer: Uint8Array | null = null;

  constructor(parts: VisitParts, exchange: Exchange) {
    this.#parts = parts;
    this.#exchange = exchange;
  }

  get fields(): Fields {
    return this.#exchange.head.fields;
  }

  /** Takes a request. */
  begin(route: Route | null): void {
    const { stats, propagators, sampler } = this.#parts;
    this.#startMs = performance.now();
    this.#route = route;
    stats.inFlight++;
    this.account.clear();
    this.context.start(this.#exchange, propagators, sampler);
    if (route === null) this.#answer(jsonResponse(404, { message: "Not Found" }));
    else if (isRead(this.#exchange.head)) this.#serve();
    else this.#answer(refuseMethod(this.#exchange.method));
  }

  /** Records the CLIENT span of an attempt. */
  recordCall(id: Uint8Array, startMs: number, template: Uint8Array): void {
    const { ids } = this.context;
    for (let i = 0; i < 16; i++) ids[CALL + i] = id[i] as number;
    this.#record(CALL, SERVER, startMs, performance.now(), template, NO_PEER);
    this.account.addSpan(ids, CALL, SERVER, CLIENT_WORD, this.#parts.serviceHash);
  }

  noteBrokenContext(service: string): void {
    this.#parts.stats.recordBrokenContext(service);
  }

  /** A call of the step has ended. */
  endCall(): void {
    if (--this.#pending > 0) return;
    for (let i = 0; i < this.#calls; i++) {
      const run = this.#runs[i] as CallRun;
      if (run.status >= 400) {
        this.#passOn(run);
        return;
      }
    }
    this.#keepLast(this.#calls - 1);
    this.#step++;
    this.#makeCalls();
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
    this.#step = 0;
    this.#spare ??= this.#last;
    this.#last = null;
    if (plan.role.behaviour.isPlain && !isLogged) this.#makeCalls();
    else this.#behave(plan, isLogged).catch(exposeMistake);
  }

  /** What a link does besides calling others. */
  async #behave({ role }: Plan, isLogged: boolean): Promise<void> {
    const { log, stats } = this.#parts;
    const { behaviour } = role;
    if (behaviour.slow !== null) {
      const draw = role.random();
      if (isLogged) log.info(`Node's random_number: ${draw}`);
      if (draw < behaviour.slow.probability) {
        if (isLogged) log.info(`This node is sleeping for ${behaviour.slow.delayMs / 1000} seconds`);
        await Bun.sleep(behaviour.slow.delayMs);
      }
    }
    if (isLogged) log.info(`current_service: ${role.name}`);
    if (behaviour.drawLatencyMs !== null) await waitFor(behaviour.drawLatencyMs());
    behaviour.burn?.();
    const failure = behaviour.drawError?.() ?? null;
    if (failure !== null) {
      stats.injectedErrors++;
      this.#answer(jsonResponse(failure, { message: "injected error", service: role.name }));
      return;
    }
    if (isLogged) {
      for (const call of role.steps.flat()) log.info(`next_service: ${call.service}`);
    }
    this.#makeCalls();
  }

  /** Begins the next step that has calls to make; without one, answers. */
  #makeCalls(): void {
    const { steps, role } = this.#plan as Plan;
    for (; this.#step < steps.length; this.#step++) {
      let calls = 0;
      // A call never ends before `begin` returns.
      for (const plan of steps[this.#step] as readonly CallPlan[]) {
        if (plan.call.probability < 1 && role.random() >= plan.call.probability) continue;
        let run = this.#runs[calls];
        if (run === undefined) {
          run = new CallRun(this);
          this.#runs.push(run);
        }
        calls++;
        run.begin(plan);
      }
      this.#calls = calls;
      this.#pending = calls;
      if (calls > 0) return;
    }
    this.#answerServed();
  }

  /** The answer of a call outlives its step: another takes its place. */
  #keepLast(index: number): void {
    const last = this.#runs[index] as CallRun;
    this.#runs[index] = this.#last ?? this.#spare ?? new CallRun(this);
    this.#spare = null;
    this.#last = last;
  }

  #answerServed(): void {
    const { role, finalBody } = this.#plan as Plan;
    const last = this.#last;
    if (last !== null && (last.status >= 300 || role.behaviour.responseBytes === 0)) {
      this.#passOn(last);
      return;
    }
    this.#begin(jsonHead(200), 200);
    this.#exchange.finish(finalBody, 0, finalBody.length);
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

  #answer({ status, headers, body }: LinkResponse): void {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    this.#begin(prepareHead(status, headers), status);
    this.#exchange.finish(bytes, 0, bytes.length);
  }

  /** Records and counts the request, and begins its answer. */
  #begin(head: Uint8Array, status: number): void {
    const { stats, log, serverTemplates, serviceHash } = this.#parts;
    const { context, account } = this;
    const endMs = performance.now();
    if (context.isSampled) {
      this.#peer ??= this.#parts.format.renderPeer(this.#exchange.peer);
      const template = serverTemplates.find(this.#exchange, this.#route, status);
      this.#record(SERVER, context.parentAt, this.#startMs, endMs, template, this.#peer);
      account.addSpan(context.ids, SERVER, context.parentAt, SERVER_WORD, serviceHash);
    }
    const durationMs = endMs - this.#startMs;
    stats.recordRequest(status, durationMs);
    if (log.hasAccessLog) this.#logAccess(status, durationMs);
    // The caller shall take its next request elsewhere.
    if (stats.isDraining) this.#exchange.closeAfter();
    // Not before the span is recorded: the end of the link waits for this.
    stats.inFlight--;
    const out = this.#exchange.begin(head, status);
    this.#writeHeaders(out);
  }

  #writeHeaders(out: ByteWriter): void {
    out.copy(LEDGER_NAME);
    this.account.write(out);
    out.copy(LINE_END);
    if (this.context.isStart) this.context.writeTraceResponse(out);
  }

  #record(
    idAt: number,
    parentAt: number,
    startMs: number,
    endMs: number,
    template: Uint8Array,
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
    record.durationMicros = Math.max(1, Math.round((endMs - startMs) * 1000));
    record.peer = peer;
    record.isDebug = context.isDebug;
    this.#parts.reporter.add(record);
  }

  #logAccess(status: number, durationMs: number): void {
    const { method, target } = this.#exchange;
    this.#parts.log.access({ method, path: target, status, durationMs, traceId: this.context.traceId });
  }
}
