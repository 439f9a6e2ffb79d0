import { lowerBytes } from "../http/characters.ts";
import { Client } from "../http/client.ts";
import type { Failure } from "../http/failure.ts";
import { CLIENT_LIMITS } from "../http/limits.ts";
import type { CallListener, Reply } from "../http/reply.ts";
import type { Upstream } from "../http/upstream.ts";
import type { Random } from "../lib/random.ts";
import { TRACE_RESPONSE_HEADER } from "../trace/context.ts";
import { LEDGER_HEADER, parseLedger } from "../trace/ledger.ts";
import type { RunIds } from "../trace/run.ts";
import type { RunRecord } from "../trace/run-ledger.ts";
import { type RequestParts, RequestTemplate } from "./request-template.ts";
import { LoadResults } from "./results.ts";
import { type Arrivals, constantRate, type Rate, ROUNDING, Schedule } from "./schedule.ts";

/** An open loop sends when requests are due, a closed one when an answer came. */
export type Pace =
  | { readonly kind: "open"; readonly rate: Rate; readonly arrivals: Arrivals }
  | { readonly kind: "closed" };

export interface LoadOptions extends RequestParts {
  readonly pace: Pace;
  /** Requests under way at once; in a closed loop always as many. */
  readonly connections: number;
  /** Limit of a request, from when it was sent. */
  readonly timeoutMs: number;
  /** Requests at the start that are not counted. */
  readonly warmUpMs: number;
  /** Behind the warm-up; `null`: for ever. */
  readonly durationMs: number | null;
  /** Ends by itself after so many requests behind the warm-up; `null`: never. */
  readonly maxRequests: number | null;
  readonly ids: RunIds;
  /** The share of requests that ask to be recorded, 0 to 1. */
  readonly sampleShare: number;
  readonly randomOf: (name: string) => Random;
  /** @default true: a TLS upstream must be the one that was meant */
  readonly isTlsChecked?: boolean;
  /** Hears how each request ended. Must not throw. */
  readonly onEnd?: (record: RunRecord) => void;
}

/** Requests under way at once in an open loop when nobody says how many; more would mostly measure this machine. */
export const DEFAULT_CONNECTIONS = 1024;

/** Timers cannot be set further ahead (2^31 - 1 ms). */
const MAX_TIMER_MS = 2_147_483_647;
/** Timers fire so late, to the whole millisecond: the rest is waited for without them. */
const TIMER_SLACK_MS = 0.15;
/** `Atomics.wait` returns so late. */
const SLEEP_SLACK_MS = 0.1;
/** Requests begun in one turn, so that answers are read in between. */
const MAX_BATCH = 32;
/** Time to send what became due while this process stood still, when the load ends. */
const LAST_SENDS_MS = 20;
/** A closed loop against nobody would be a storm of attempts to connect. */
const UNREACHABLE_PAUSE_MS = 50;

const LEDGER_NAME = lowerBytes(LEDGER_HEADER);
const TRACE_RESPONSE_NAME = lowerBytes(TRACE_RESPONSE_HEADER);
const SLEEP_CELL = new Int32Array(new SharedArrayBuffer(4));

/** Sends requests until it has sent enough, its time is over, or it is stopped. The first one at once. */
export function startLoad(options: LoadOptions): Load {
  return new Load(options);
}

/** A load that runs. */
export class Load {
  readonly results = new LoadResults();
  readonly runId: string;
  /** Milliseconds since 1970. */
  readonly startedAt = Date.now();
  /** Resolves when the last answer was read, after the end or {@link stop}. */
  readonly done: Promise<void>;
  readonly options: LoadOptions;
  readonly #client: Client;
  readonly #upstream: Upstream;
  readonly #template: RequestTemplate;
  readonly #sampleRandom: Random;
  readonly #startMs = performance.now();
  readonly #endMs: number;
  /** Nothing that is due later is sent. */
  readonly #lastDueMs: number;
  readonly #free: Call[] = [];
  readonly #resolveDone: () => void;
  /** `null` in a closed loop. */
  #schedule: Schedule | null = null;
  #scheduleStartMs = this.#startMs;
  #sequence = 0;
  /** Sent, the warm-up included. */
  #inFlight = 0;
  /** As many are under way as may be, and requests are due. */
  #isBlocked = false;
  #blockedUntilMs = 0;
  #isStopped = false;
  #timer: Timer | undefined;
  #immediate: ReturnType<typeof setImmediate> | undefined;
  #endTimer: Timer | undefined;

  constructor(options: LoadOptions) {
    this.options = options;
    this.runId = options.ids.runId;
    this.#template = new RequestTemplate(options, options.ids);
    this.#client = new Client({
      limits: { idleConnections: Math.max(CLIENT_LIMITS.idleConnections, options.connections) },
      tls: { rejectUnauthorized: options.isTlsChecked ?? true },
    });
    this.#upstream = this.#client.upstream(options.url);
    this.#sampleRandom = options.randomOf("sample");
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolveDone = resolve;
    this.results.startMs = this.#startMs + options.warmUpMs;
    this.#endMs = this.results.startMs + (options.durationMs ?? Number.POSITIVE_INFINITY);
    this.#lastDueMs = this.#endMs - ROUNDING;
    this.#watchEnd();
    if (options.pace.kind === "open") this.#begin(options.pace.rate, this.#startMs);
    else for (let i = 0; i < options.connections; i++) this.#sendNext(performance.now());
  }

  /**
   * Goes on at another rate from now on; what was due and not begun is missed. Without effect on a closed loop.
   * @param rate Requests a second, or a ramp that begins now; 0 pauses.
   */
  setRate(rate: number | Rate): void {
    if (this.#schedule === null || this.#isStopped) return;
    const nowMs = performance.now();
    this.#noteMissed(nowMs);
    this.#begin(typeof rate === "number" ? constantRate(rate) : rate, nowMs);
  }

  #begin(rate: Rate, startMs: number): void {
    const { pace, randomOf } = this.options;
    const isPoisson = pace.kind === "open" && pace.arrivals === "poisson";
    this.#schedule = new Schedule(rate, isPoisson ? randomOf("arrivals") : null);
    this.#scheduleStartMs = startMs;
    this.#isBlocked = false;
    this.#tick();
  }

  /** Begins no more requests and waits for those under way. */
  stop(): Promise<void> {
    // What is due by now and can be sent, is: this process may have stood still.
    const nowMs = performance.now();
    let dueMs = Number.NEGATIVE_INFINITY;
    while (
      dueMs <= nowMs &&
      dueMs < this.#lastDueMs &&
      !this.#isStopped &&
      !this.#isBlocked &&
      performance.now() < nowMs + LAST_SENDS_MS
    )
      dueMs = this.#sendDue(nowMs);
    if (!this.#isStopped) this.#finish();
    return this.done;
  }

  #finish(): void {
    this.#isStopped = true;
    const nowMs = Math.min(performance.now(), this.#endMs);
    this.#noteMissed(nowMs);
    this.results.endMs = nowMs;
    this.#disarm();
    clearTimeout(this.#endTimer);
    this.#settle();
  }

  /** For a call: it is over. */
  end(call: Call, reply: Reply | null, failure: Failure | null, isRepeated: boolean): void {
    const nowMs = performance.now();
    const { results } = this;
    this.#inFlight--;
    const isBroken = reply !== null && this.#isBroken(call, reply);
    if (call.isMeasured) {
      const latency = Math.max(0, nowMs - call.dueMs) * 1000;
      results.inFlight--;
      results.latency.record(latency);
      if (reply !== null && reply.status < 400) {
        results.succeeded++;
        results.succeededLatency.record(latency);
      } else {
        const kind = failure?.reason ?? String(reply?.status);
        results.failures.set(kind, (results.failures.get(kind) ?? 0) + 1);
      }
      if (isBroken) results.brokenContexts++;
      if (isRepeated) results.repeated++;
    }
    this.options.onEnd?.({
      sequence: call.sequence,
      endMs: Math.max(0, Math.round(nowMs - this.#startMs)),
      status: reply?.status ?? 0,
      ledger: reply === null ? null : readLedger(reply, isRepeated),
      isSampled: call.isSampled,
      isBroken,
    });
    this.#free.push(call);
    if (this.#isStopped) this.#settle();
    else if (this.#schedule === null) this.#goOn(nowMs, failure);
    else if (this.#isBlocked) {
      this.#isBlocked = false;
      this.#blockedUntilMs = nowMs;
      this.#tick();
    }
  }

  /** The next request of one that ended, in a closed loop. */
  #goOn(nowMs: number, failure: Failure | null): void {
    const isUnreachable = failure !== null && failure.reason !== "timeout";
    if (isUnreachable) setTimeout(() => this.#sendNext(performance.now()), UNREACHABLE_PAUSE_MS);
    else this.#sendNext(nowMs);
  }

  #sendNext(nowMs: number): void {
    if (this.#isStopped) return;
    if (nowMs >= this.#endMs) void this.stop();
    else this.#send(nowMs, nowMs);
  }

  /** Sends what is due, and waits for what will be. */
  readonly #tick = (): void => {
    this.#disarm();
    if (this.#isStopped) return;
    const dueMs = this.#sendDue(performance.now());
    if (!this.#isStopped && !this.#isBlocked) this.#arm(dueMs);
  };

  /** Returns when the next request is due. */
  #sendDue(nowMs: number): number {
    const schedule = this.#schedule;
    if (schedule === null) return Number.POSITIVE_INFINITY;
    let dueMs = this.#scheduleStartMs + schedule.dueMs;
    for (let i = 0; i < MAX_BATCH && dueMs <= nowMs && dueMs < this.#lastDueMs; i++) {
      if (this.#inFlight >= this.options.connections) {
        this.#isBlocked = true;
        return dueMs;
      }
      schedule.advance();
      this.#send(dueMs, performance.now());
      if (this.#isStopped) return Number.POSITIVE_INFINITY;
      dueMs = this.#scheduleStartMs + schedule.dueMs;
    }
    return dueMs;
  }

  /**
   * A timer for the whole milliseconds. Then, when no answer can come meanwhile, a sleep that costs nothing; otherwise
   * turns of the event loop, in which answers are read.
   */
  #arm(dueMs: number): void {
    if (dueMs >= this.#lastDueMs) return;
    const waitMs = dueMs - performance.now();
    const timerMs = Math.floor(waitMs - TIMER_SLACK_MS);
    if (timerMs >= 1) {
      this.#timer = setTimeout(this.#tick, Math.min(MAX_TIMER_MS, timerMs));
      return;
    }
    if (this.#inFlight === 0 && waitMs > SLEEP_SLACK_MS)
      Atomics.wait(SLEEP_CELL, 0, 0, waitMs - SLEEP_SLACK_MS);
    this.#immediate = setImmediate(this.#tick);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
  }

  #watchEnd(): void {
    const leftMs = this.#endMs - performance.now();
    if (leftMs === Number.POSITIVE_INFINITY) return;
    this.#endTimer = setTimeout(
      () => (performance.now() >= this.#endMs ? void this.stop() : this.#watchEnd()),
      Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil(leftMs))),
    );
  }

  #send(dueMs: number, nowMs: number): void {
    const { results, options } = this;
    const call = this.#free.pop() ?? new Call(this);
    call.dueMs = dueMs;
    call.sequence = this.#sequence++;
    call.isSampled = options.sampleShare >= 1 || this.#sampleRandom() < options.sampleShare;
    call.isMeasured = dueMs >= results.startMs;
    this.#inFlight++;
    if (call.isMeasured) {
      results.sent++;
      if (++results.inFlight > results.maxInFlight) results.maxInFlight = results.inFlight;
      results.sendLag.record(Math.max(0, nowMs - dueMs) * 1000);
      if (dueMs < this.#blockedUntilMs) results.delayed++;
      results.lastDueMs = dueMs;
      results.lastSentMs = nowMs;
    } else {
      results.warmUp++;
    }
    this.#template.set(call.sequence, call.isSampled);
    const { bytes } = this.#template;
    this.#upstream.call(bytes, bytes.length, nowMs + options.timeoutMs, call);
    if (results.sent === options.maxRequests) this.#finish();
  }

  /** What is due until `endMs` and was not begun: of what is measured, and no more than is asked for. */
  #noteMissed(endMs: number): void {
    if (this.#schedule === null) return;
    const { results, options } = this;
    const untilMs = Math.min(endMs, this.#endMs) - this.#scheduleStartMs;
    const warmUpMs = results.startMs - this.#scheduleStartMs;
    const measured =
      this.#schedule.countDueBefore(untilMs) - this.#schedule.countDueBefore(Math.min(untilMs, warmUpMs));
    const left = (options.maxRequests ?? Number.POSITIVE_INFINITY) - results.sent;
    results.missed += Math.min(measured, left);
  }

  #settle(): void {
    if (this.#inFlight > 0) return;
    this.#client.close();
    this.#resolveDone();
  }

  /** Whether the answer names another trace than the one that was sent. */
  #isBroken(call: Call, { fields }: Reply): boolean {
    const index = fields.find(TRACE_RESPONSE_NAME);
    if (index === -1) return false;
    const text = fields.bytes.toString("latin1", fields.valueStart(index), fields.valueEnd(index));
    const [, traceId] = /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(text) ?? [];
    return traceId !== undefined && traceId !== this.options.ids.traceId(call.sequence);
  }
}

/** One request under way. Objects are used again. */
class Call implements CallListener {
  /** On the clock of `performance.now()`. */
  dueMs = 0;
  sequence = 0;
  isSampled = false;
  /** It is not of the warm-up. */
  isMeasured = false;
  readonly #load: Load;

  constructor(load: Load) {
    this.#load = load;
  }

  onReply(reply: Reply, isRepeated: boolean): void {
    this.#load.end(this, reply, null, isRepeated);
  }

  onFailure(failure: Failure, isRepeated: boolean): void {
    this.#load.end(this, null, failure, isRepeated);
  }
}

/** A request that may have arrived twice may have made spans that this answer does not account for. */
function readLedger({ fields }: Reply, isRepeated: boolean): RunRecord["ledger"] {
  const index = fields.find(LEDGER_NAME);
  if (index === -1) return null;
  const text = fields.bytes.toString("latin1", fields.valueStart(index), fields.valueEnd(index));
  const ledger = parseLedger(text);
  return ledger !== null && isRepeated ? { ...ledger, unknown: ledger.unknown + 1 } : ledger;
}
