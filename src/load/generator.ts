import { Client } from "../http/client.ts";
import type { Failure } from "../http/failure.ts";
import { CLIENT_LIMITS } from "../http/limits.ts";
import type { Reply } from "../http/reply.ts";
import type { Upstream } from "../http/upstream.ts";
import type { Random } from "../lib/random.ts";
import type { LedgerRecord } from "../trace/ledger-record.ts";
import type { RunIds } from "../trace/run.ts";
import { Call, type CallOwner, readLedger, readTraceResponse } from "./call.ts";
import { MAX_TIMER_MS, Pacer, type Sender } from "./pacer.ts";
import { type RequestParts, RequestTemplate } from "./request-template.ts";
import { LoadResults } from "./results.ts";
import { type Arrivals, constantRate, type Rate } from "./schedule.ts";

/** An open loop sends requests when they are due, a closed loop after each answer. */
type Pace =
  | { readonly kind: "open"; readonly rate: Rate; readonly arrivals: Arrivals }
  | { readonly kind: "closed" };

export interface LoadOptions extends RequestParts {
  readonly pace: Pace;
  /** Maximum requests in flight; a closed loop always keeps this many. */
  readonly connections: number;
  /** Timeout of a request, from when it was sent. */
  readonly timeoutMs: number;
  /** The warm-up at the start, whose requests are not counted. */
  readonly warmUpMs: number;
  /** Duration after the warm-up; `null`: forever. */
  readonly durationMs: number | null;
  /** Stop after this many requests, not counting the warm-up; `null`: never. */
  readonly maxRequests: number | null;
  readonly ids: RunIds;
  /** Share (0 to 1) of requests that ask to be recorded. */
  readonly sampleShare: number;
  readonly randomOf: (name: string) => Random;
  /** Whether the certificate of a TLS upstream is verified. @default true */
  readonly isTlsChecked?: boolean;
  /** The start in the ledger's header, to which times of records are relative, in milliseconds since 1970. @default now */
  readonly runStartMs?: number;
  /** Called with the record of each request when it ends. Must not throw. */
  readonly onEnd?: (record: LedgerRecord) => void;
}

/** Default maximum of requests in flight in an open loop; more would mostly measure this machine. */
export const DEFAULT_CONNECTIONS = 1024;

/** Without a pause, a closed loop against an unreachable server would be a storm of attempts to connect. */
const UNREACHABLE_PAUSE_MS = 50;

/** Sends requests until it has sent enough, its time is over, or it is stopped. The first one is sent immediately. */
export function startLoad(options: LoadOptions): Load {
  return new Load(options);
}

/** A running load. */
export class Load implements CallOwner, Sender {
  readonly results = new LoadResults();
  readonly runId: string;
  /** Milliseconds since 1970. */
  readonly startedAt = Date.now();
  /** Resolves when the last answer has been read, after the end or {@link stop}. */
  readonly done: Promise<void>;
  readonly options: LoadOptions;
  readonly #client: Client;
  readonly #upstream: Upstream;
  readonly #template: RequestTemplate;
  readonly #sampleRandom: Random;
  readonly #startMs = performance.now();
  /** {@link LoadOptions.runStartMs} as a time of `performance.now()`. */
  readonly #runStartMs: number;
  readonly #endMs: number;
  readonly #free: Call[] = [];
  readonly #resolveDone: () => void;
  /** `null` in a closed loop. */
  readonly #pacer: Pacer | null;
  #sequence = 0;
  /** Includes the warm-up. */
  #inFlight = 0;
  #isStopped = false;
  #endTimer: Timer | undefined;
  #stopTimer: Timer | undefined;

  constructor(options: LoadOptions) {
    this.options = options;
    this.runId = options.ids.runId;
    this.#runStartMs = this.#startMs - (this.startedAt - (options.runStartMs ?? this.startedAt));
    this.#template = new RequestTemplate(options, options.ids);
    this.#client = new Client({
      limits: {
        idleConnections: Math.max(CLIENT_LIMITS.idleConnections, options.connections),
        // Bodies are not used, so they may have any length.
        bodyBytes: Number.POSITIVE_INFINITY,
        keptBodyBytes: 0,
      },
      tls: { rejectUnauthorized: options.isTlsChecked ?? true },
    });
    this.#upstream = this.#client.upstream(options.url);
    this.#sampleRandom = options.randomOf("sample");
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolveDone = resolve;
    this.results.startMs = this.#startMs + options.warmUpMs;
    this.#endMs = this.results.startMs + (options.durationMs ?? Number.POSITIVE_INFINITY);
    this.#watchEnd();
    this.#pacer = this.#makePacer();
    if (this.#pacer !== null) this.#pacer.start();
    else for (let i = 0; i < options.connections; i++) this.#sendNext(performance.now());
  }

  /** Whether it has ended and the last answer was read. */
  get isOver(): boolean {
    return this.#isStopped && this.#inFlight === 0;
  }

  /**
   * Continues at another rate. Requests that were due but not sent count as missed. No effect on a closed loop.
   * @param rate requests per second, or a ramp that begins now; 0 pauses
   */
  setRate(rate: number | Rate): void {
    if (this.#pacer === null || this.#isStopped) return;
    const nowMs = performance.now();
    this.#noteMissed(nowMs);
    this.#pacer.setRate(typeof rate === "number" ? constantRate(rate) : rate, nowMs);
  }

  /** Sends no more requests and waits for those in flight, at most `withinMs`; then those without an answer fail. */
  stop(withinMs = Number.POSITIVE_INFINITY): Promise<void> {
    this.#end();
    if (this.#inFlight > 0 && withinMs < MAX_TIMER_MS)
      this.#stopTimer ??= setTimeout(() => this.#client.close(), withinMs);
    return this.done;
  }

  get isFull(): boolean {
    return this.#inFlight >= this.options.connections;
  }

  #end(): void {
    this.#pacer?.catchUp();
    if (!this.#isStopped) this.#finish();
  }

  #finish(): void {
    this.#isStopped = true;
    const nowMs = Math.min(performance.now(), this.#endMs);
    this.#noteMissed(nowMs);
    this.results.endMs = nowMs;
    this.#pacer?.stop();
    clearTimeout(this.#endTimer);
    this.#settle();
  }

  /** Called by a call when it ends. */
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
      endMs: Math.max(0, Math.round(nowMs - this.#runStartMs)),
      status: reply?.status ?? 0,
      ledger: reply === null ? null : readLedger(reply, isRepeated),
      isSampled: call.isSampled,
      isBroken,
      latencyUs: Math.max(0, nowMs - call.dueMs) * 1000,
    });
    this.#free.push(call);
    if (this.#isStopped) this.#settle();
    else if (this.#pacer === null) this.#goOn(nowMs, failure);
    else this.#pacer.noteEnd(nowMs);
  }

  /** Sends the next request after one has ended, in a closed loop. */
  #goOn(nowMs: number, failure: Failure | null): void {
    const isUnreachable = failure !== null && failure.reason !== "timeout";
    if (isUnreachable) setTimeout(() => this.#sendNext(performance.now()), UNREACHABLE_PAUSE_MS);
    else this.#sendNext(nowMs);
  }

  #sendNext(nowMs: number): void {
    if (this.#isStopped) return;
    if (nowMs >= this.#endMs) this.#end();
    else this.send(nowMs, nowMs);
  }

  #makePacer(): Pacer | null {
    const { pace, randomOf } = this.options;
    if (pace.kind === "closed") return null;
    const random = pace.arrivals === "poisson" ? randomOf("arrivals") : null;
    return new Pacer(this, pace.rate, random, this.#startMs, this.#endMs);
  }

  #watchEnd(): void {
    const leftMs = this.#endMs - performance.now();
    if (leftMs === Number.POSITIVE_INFINITY) return;
    this.#endTimer = setTimeout(
      () => (performance.now() >= this.#endMs ? this.#end() : this.#watchEnd()),
      Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil(leftMs))),
    );
  }

  /** Sends a request that was due at `dueMs`. */
  send(dueMs: number, nowMs: number): void {
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
      if (dueMs < (this.#pacer?.blockedUntilMs ?? 0)) results.delayed++;
      results.lastDueMs = dueMs;
      results.lastSentMs = nowMs;
    } else {
      results.warmUp++;
    }
    this.#template.set(call.sequence, call.isSampled);
    const { bytes } = this.#template;
    this.#upstream.call(bytes, bytes.length, nowMs + options.timeoutMs, call);
    if (results.sent === options.maxRequests) {
      results.nextDueMs = this.#pacer?.nextDueMs ?? null;
      this.#finish();
    }
  }

  /** Counts measured requests that were due before `endMs` but not sent, up to the requested number of requests. */
  #noteMissed(endMs: number): void {
    if (this.#pacer === null) return;
    const { results, options } = this;
    const missed = this.#pacer.countMissed(results.startMs, Math.min(endMs, this.#endMs));
    const left = (options.maxRequests ?? Number.POSITIVE_INFINITY) - results.sent;
    results.missed += Math.min(missed, left);
  }

  #settle(): void {
    if (this.#inFlight > 0) return;
    clearTimeout(this.#stopTimer);
    this.#client.close();
    this.#resolveDone();
  }

  /** Whether the answer names a trace other than the one sent. */
  #isBroken(call: Call, reply: Reply): boolean {
    const traceId = readTraceResponse(reply);
    return traceId !== null && traceId !== this.options.ids.traceId(call.sequence);
  }
}
