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
/** Request bodies are filled with `x`. */
const FILLER = 0x78;

/** Headers of an answer that are needed to understand its body or status. */
const PASSED_HEADERS = ["Content-Type", "Content-Encoding", "Location"] as const;

/** Scratch object, reused for every reply. */
const headers = new ReplyHeaders();
/** Scratch buffer for the request; calls copy it. */
const request = new ByteWriter();

/** The request for which calls are made. */
export interface Caller {
  readonly context: RequestContext;
  readonly ledger: RequestLedger;
  readonly fields: Fields;
  readonly stats: LinkStats;
  /** When the current event occurred, as a time of `performance.now()`. */
  readonly nowMs: number;
  /** The request has been answered; calls that end later have no effect. */
  readonly isOver: boolean;
  /** Updates {@link nowMs} at the beginning of an event. */
  noteTime(): void;
  recordCall(id: SpanId, digits: Uint8Array, startMs: number, template: SpanTemplate): void;
  noteBrokenContext(service: string): void;
}

/** Is told when a call ends. */
interface CallRunOwner {
  endOne(): void;
}

/**
 * One call of a visit with all its attempts, and its result. It belongs to its visit and is reused for many requests, one
 * at a time.
 */
export class CallRun implements CallListener {
  /** 0 until there is an answer. */
  status = 0;
  /** The body of the answer lies in `bytes` from `start` to `end`, and is never overwritten. */
  bytes: Uint8Array = request.bytes;
  start = 0;
  end = 0;
  readonly #caller: Caller;
  readonly #owner: CallRunOwner;
  /** The id of the current CLIENT span. */
  readonly #id = new SpanId();
  readonly #digits = new Uint8Array(16);
  #plan: CallPlan | null = null;
  #attempt = 0;
  #startMs = 0;
  /** Replaces the answer in place if it has headers other than `Content-Type: application/json`, or there was none. */
  #response: LinkResponse | null = null;

  constructor(caller: Caller, owner: CallRunOwner) {
    this.#caller = caller;
    this.#owner = owner;
  }

  /** Begins the first attempt. Ends by calling {@link CallRunOwner.endOne}, never before this returns. */
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
    this.#addLedger(headers, isRepeated, isContextBroken);
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
    caller.ledger.unknown += isRepeated ? 2 : 1;
    caller.stats.recordFailedCall(plan.service, reason);
    if (this.#attempt < retries && plan.retry.wantsFailure(reason) && this.#retry(plan)) return;
    this.status = reason === "timeout" ? 504 : 502;
    this.#response = jsonResponse(this.status, { message: `call to ${service} failed: ${text}`, service });
    this.#owner.endOne();
  }

  /** Starts another attempt if one is allowed, and returns whether it did. */
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
      // The request cannot be sent, for example because the name does not form a URL.
      const failure: Failure = { reason: "request_invalid", message: errorText(error) };
      queueMicrotask(() => this.onFailure(failure, false));
    }
  }

  /** Whether the callee answered that it began another trace. */
  #isOtherTrace({ fields, traceResponse }: ReplyHeaders): boolean {
    if (traceResponse === -1) return false;
    const { context } = this.#caller;
    return context.isOtherTrace(
      fields.bytes,
      fields.valueStart(traceResponse),
      fields.valueEnd(traceResponse),
    );
  }

  /** Adds the callee's ledger to the request's, unless it is that of another trace. */
  #addLedger({ fields, ledger: index }: ReplyHeaders, isRepeated: boolean, isOtherTrace: boolean): void {
    const { ledger } = this.#caller;
    const isTaken =
      !isOtherTrace &&
      index !== -1 &&
      ledger.takeIn(fields.bytes, fields.valueStart(index), fields.valueEnd(index));
    if (!isTaken) ledger.unknown++;
    if (isRepeated) ledger.unknown++;
  }
}

/** Ends the head of the current request, and appends a body of this many bytes. */
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
