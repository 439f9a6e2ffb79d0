import { errorCode } from "../lib/errors.ts";
import { Histogram } from "../lib/histogram.ts";

export interface LoadOptions {
  readonly url: string;
  /** Time from the beginning of one request to that of the next; more than 0. */
  readonly intervalMs: number;
  /** Limit of a request. */
  readonly timeoutMs: number;
  /** Ends by itself after so many requests. @default never */
  readonly maxRequests?: number;
}

/** What the load has seen so far. */
export interface LoadResults {
  sent: number;
  /** Answers below 400. */
  succeeded: number;
  /** By status code, or by what happened instead of an answer: `timeout`, `ECONNREFUSED`, …. */
  readonly failures: Map<string, number>;
  /** Requests that were due but not begun, because too many were under way. */
  missed: number;
  /** Microseconds from the moment a request was due until its answer was read: waiting is not left out. */
  readonly latency: Histogram;
}

export interface Load {
  readonly results: LoadResults;
  /** Resolves when `maxRequests` are answered, or after {@link stop}. */
  readonly done: Promise<void>;
  /** Begins no more requests and waits for those under way. */
  stop(): Promise<void>;
}

/** Timers cannot be set further ahead (2^31 - 1 ms). */
const MAX_TIMER_MS = 2_147_483_647;

/** Requests under way at once; more would only measure this machine. */
const MAX_IN_FLIGHT = 1024;

/** Open loop: requests begin when they are due, whether or not earlier ones were answered. The first one at once. */
export function startLoad(options: LoadOptions): Load {
  const results: LoadResults = {
    sent: 0,
    succeeded: 0,
    failures: new Map(),
    missed: 0,
    latency: new Histogram(),
  };
  const { intervalMs, maxRequests = Number.POSITIVE_INFINITY } = options;
  const startMs = performance.now();
  let due = 0;
  let inFlight = 0;
  let isStopped = false;
  let timer: Timer | undefined;
  const { promise: done, resolve } = Promise.withResolvers<void>();

  const settle = () => {
    if (isStopped && inFlight === 0) resolve();
  };
  const stop = () => {
    isStopped = true;
    clearTimeout(timer);
    settle();
    return done;
  };
  const sendOne = async (dueMs: number) => {
    inFlight++;
    results.sent++;
    const failure = await request(options);
    results.latency.record((performance.now() - dueMs) * 1000);
    if (failure === null) results.succeeded++;
    else results.failures.set(failure, (results.failures.get(failure) ?? 0) + 1);
    inFlight--;
    settle();
  };
  const tick = () => {
    const nowMs = performance.now();
    for (; startMs + due * intervalMs <= nowMs && results.sent < maxRequests; due++) {
      if (inFlight < MAX_IN_FLIGHT) void sendOne(startMs + due * intervalMs);
      else results.missed++;
    }
    if (results.sent >= maxRequests) void stop();
    else timer = setTimeout(tick, clampTimer(startMs + due * intervalMs - performance.now()));
  };
  tick();
  return { results, done, stop };
}

function clampTimer(ms: number): number {
  return Math.min(MAX_TIMER_MS, Math.max(1, ms));
}

/** `null` when the answer was below 400, otherwise what went wrong. */
async function request({ url, timeoutMs }: LoadOptions): Promise<string | null> {
  try {
    const response = await fetch(url, {
      redirect: "manual",
      signal: AbortSignal.timeout(clampTimer(timeoutMs)),
    });
    await response.arrayBuffer();
    return response.status < 400 ? null : String(response.status);
  } catch (error) {
    if (error instanceof Error && error.name === "TimeoutError") return "timeout";
    return errorCode(error) ?? "failed";
  }
}
