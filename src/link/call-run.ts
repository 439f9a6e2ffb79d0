import { ByteWriter } from "../http/byte-writer.ts";
import { type Failure, TIMEOUT } from "../http/failure.ts";
import type { Fields } from "../http/fields.ts";
import { exposeMistake } from "../http/handler-error.ts";
import type { CallListener, Reply } from "../http/reply.ts";
import { errorText } from "../lib/errors.ts";
import { waitFor } from "../lib/wait.ts";
import { MAX_REQUEST_BYTES } from "../topology/model.ts";
import type { CallPlan } from "./plan.ts";
import { ReplyHeaders } from "./reply-headers.ts";
import type { RequestContext } from "./request-context.ts";
import type { RequestLedger } from "./request-ledger.ts";
import { jsonResponse, type LinkResponse } from "./response.ts";
import type { SpanTemplate } from "./span-format.ts";
import { SpanId } from "./span-id.ts";
import type { LinkStats } from "./stats.ts";
import type { CallResult } from "./tags.ts";

const LINE_END = Buffer.from("\r\n");
const CONTENT_LENGTH = Buffer.from("Content-Length: ");
const HEAD_END = Buffer.from("\r\n\r\n");
/** What bodies of requests consist of: `x`. */
const FILLER = 0x78;

/** Headers of an answer without which its body or status cannot be understood. */
const PASSED_HEADERS = ["Content-Type", "Content-Encoding", "Location"] as const;

/** Of the reply that is being read. */
const headers = new ReplyHeaders();
/** The request that is being written: calls copy it. */
const request = new ByteWriter();

/** The request that calls are made for. */
export interface Caller {
  readonly context: RequestContext;
  readonly account: RequestLedger;
  readonly fields: Fields;
  readonly stats: LinkStats;
  /** When the event came that is being handled, on the clock of `performance.now()`. */
  readonly nowMs: number;
  /** It is answered; calls that still end have no effect. */
  readonly isOver: boolean;
  /** An event has come. */
  noteTime(): void;
  recordCall(id: SpanId, digits: Uint8Array, startMs: number, template: SpanTemplate): void;
  noteBrokenContext(service: string): void;
}

/** Hears of the end of a call. */
export interface CallRunOwner {
  endOne(): void;
}

/**
 * One call of a visit, attempt after attempt, and what came of it. It belongs to its visit and serves many requests, one
 * at a time.
 */
export class CallRun implements CallListener {
  /** 0 as long as there is no answer. */
  status = 0;
  /** The body of the answer: in `bytes` from `start` to `end`, which nobody overwrites. */
  bytes: Uint8Array = request.bytes;
  start = 0;
  end = 0;
  readonly #caller: Caller;
  readonly #owner: CallRunOwner;
  /** Of the CLIENT span under way. */
  readonly #id = new SpanId();
  readonly #digits = new Uint8Array(16);
  #plan: CallPlan | null = null;
  #attempt = 0;
  #startMs = 0;
  /** Instead of the answer in place: it has more headers than `Content-Type: application/json`, or there was none. */
  #response: LinkResponse | null = null;

  constructor(caller: Caller, owner: CallRunOwner) {
    this.#caller = caller;
    this.#owner = owner;
  }

  /** Begins the first attempt. It ends in {@link CallRunOwner.endOne}, never before this returns. */
  begin(plan: CallPlan): void {
    this.#plan = plan;
    this.#attempt = 0;
    if (plan.budget !== null) plan.budget.countRequest(this.#caller.nowMs);
    this.#send(plan);
  }

  /** The answer, if it is more than a status and a JSON body in place. */
  get response(): LinkResponse | null {
    return this.#response;
  }

  onReply(reply: Reply, isRepeated: boolean): void {
    const plan = this.#plan as CallPlan;
    const { status, fields, content } = reply;
    const caller = this.#caller;
    caller.noteTime();
    headers.read(fields);
    const isContextBroken = this.#isOtherTrace(headers);
    if (caller.context.isSampled) {
      const isPlain = this.#attempt === 0 && !isContextBroken;
      const template = isPlain
        ? plan.templateOf(status)
        : plan.renderTemplate({ status, isContextBroken }, this.#attempt);
      caller.recordCall(this.#id, this.#digits, this.#startMs, template);
    }
    if (isContextBroken) caller.noteBrokenContext(plan.service);
    this.#settleAccount(headers, isRepeated, isContextBroken);
    if (this.#attempt < plan.call.retries && plan.retry.wantsStatus(status) && this.#retry(plan)) return;
    this.status = status;
    this.bytes = content.bytes;
    this.start = content.start;
    this.end = content.end;
    this.#response = headers.isPlainJson ? null : { status, headers: passedHeaders(reply), body: reply.body };
    this.#owner.endOne();
  }

  onFailure(failed: Failure, isRepeated: boolean): void {
    const { reason, message } = failed;
    const plan = this.#plan as CallPlan;
    const { timeoutMs, retries, service } = plan.call;
    const text = failed === TIMEOUT ? `no answer within ${timeoutMs} ms` : message;
    const caller = this.#caller;
    caller.noteTime();
    if (caller.context.isSampled) {
      const failure: CallResult = { reason, message: text };
      caller.recordCall(this.#id, this.#digits, this.#startMs, plan.renderTemplate(failure, this.#attempt));
    }
    caller.account.unknown += isRepeated ? 2 : 1;
    caller.stats.recordFailedCall(plan.service, reason);
    if (this.#attempt < retries && plan.retry.wantsFailure(reason) && this.#retry(plan)) return;
    this.status = reason === "timeout" ? 504 : 502;
    this.#response = jsonResponse(this.status, { message: `call to ${service} failed: ${text}`, service });
    this.#owner.endOne();
  }

  /** Whether there will be another attempt. */
  #retry(plan: CallPlan): boolean {
    const { stats, nowMs } = this.#caller;
    if (plan.budget !== null && !plan.budget.spend(nowMs)) {
      stats.refusedRetries.add(plan.service);
      return false;
    }
    stats.retries.add(plan.service);
    this.#attempt++;
    const backoffMs = plan.retry.drawBackoffMs(this.#attempt);
    if (backoffMs === 0) this.#send(plan);
    else this.#sendLater(plan, backoffMs).catch(exposeMistake);
    return true;
  }

  async #sendLater(plan: CallPlan, ms: number): Promise<void> {
    await waitFor(ms);
    if (this.#caller.isOver) return;
    this.#caller.noteTime();
    this.#send(plan);
  }

  #send(plan: CallPlan): void {
    const { context, fields, nowMs } = this.#caller;
    this.status = 0;
    this.#response = null;
    this.#id.renew(this.#digits, 0);
    this.#startMs = nowMs;
    try {
      const upstream = plan.findUpstream();
      request.length = 0;
      request.copy(plan.start);
      context.writeTo(request, fields, this.#digits);
      if (plan.drawRequestBytes === null) request.copy(LINE_END);
      else writeBody(plan.drawRequestBytes());
      upstream.call(request.bytes, request.length, this.#startMs + plan.call.timeoutMs, this);
    } catch (error) {
      // What cannot be sent: a name that makes no URL.
      const failure: Failure = { reason: "request_invalid", message: errorText(error) };
      queueMicrotask(() => this.onFailure(failure, false));
    }
  }

  /** Whether the callee says that it began another trace. */
  #isOtherTrace({ fields, traceResponse }: ReplyHeaders): boolean {
    if (traceResponse === -1) return false;
    const { context } = this.#caller;
    return context.isOtherTrace(
      fields.bytes,
      fields.valueStart(traceResponse),
      fields.valueEnd(traceResponse),
    );
  }

  /** Takes the callee's ledger into the request's, unless it is that of another trace. */
  #settleAccount({ fields, ledger }: ReplyHeaders, isRepeated: boolean, isOtherTrace: boolean): void {
    const { account } = this.#caller;
    const isTaken =
      !isOtherTrace &&
      ledger !== -1 &&
      account.takeIn(fields.bytes, fields.valueStart(ledger), fields.valueEnd(ledger));
    if (!isTaken) account.unknown++;
    if (isRepeated) account.unknown++;
  }
}

/** Ends the head of the request that is being written with a body of so many bytes. */
function writeBody(drawnBytes: number): void {
  const bytes = Math.min(Math.round(drawnBytes), MAX_REQUEST_BYTES);
  request.copy(CONTENT_LENGTH);
  request.decimal(bytes);
  request.copy(HEAD_END);
  request.fill(FILLER, bytes);
}

function passedHeaders(reply: Reply): LinkResponse["headers"] {
  return PASSED_HEADERS.flatMap((name) => {
    const value = reply.header(name);
    return value === null ? [] : [[name, value] as const];
  });
}
