import type { Random } from "../lib/random.ts";
import { WAKE_MS, waitUntil } from "../lib/wait.ts";
import { type Rate, ROUNDING, Schedule } from "./schedule.ts";

/** Sends the requests. */
export interface Sender {
  /** The maximum number of requests is in flight. */
  readonly isFull: boolean;
  /** May stop the pacer. */
  send(dueMs: number, nowMs: number): void;
}

/** The longest delay that a timer accepts (2^31 - 1 ms). */
export const MAX_TIMER_MS = 2_147_483_647;
/** Shorter waits are precise but cannot be canceled; longer ones begin with a timer, which can. */
const NEAR_MS = 20;
/** Maximum requests sent in one turn of the event loop, so that answers are read in between. */
const MAX_BATCH = 32;
/** When the load ends, time to send requests that became due while this process was suspended. */
const LAST_SENDS_MS = 20;

/** The open loop: sends requests when they are due, whatever happened to earlier ones. Times are those of `performance.now()`. */
export class Pacer {
  /** Requests due before this time had to wait for others to end. */
  blockedUntilMs = 0;
  readonly #sender: Sender;
  /** `null` for regular intervals. */
  readonly #random: Random | null;
  /** Requests due after this time are not sent. */
  readonly #lastDueMs: number;
  #schedule: Schedule;
  #startMs: number;
  /** The sender is full and requests are due. */
  #isBlocked = false;
  #isStopped = false;
  #timer: Timer | undefined;
  /** Number of the current wait. Waits cannot be canceled, so earlier ones are ignored. */
  #wait = 0;
  #immediate: ReturnType<typeof setImmediate> | undefined;

  constructor(sender: Sender, rate: Rate, random: Random | null, startMs: number, endMs: number) {
    this.#sender = sender;
    this.#random = random;
    this.#lastDueMs = endMs - ROUNDING;
    this.#schedule = new Schedule(rate, random);
    this.#startMs = startMs;
  }

  /** Begins immediately. */
  start(): void {
    this.#tick();
  }

  /** Continues at another rate, and drops requests that were due but not sent. */
  setRate(rate: Rate, nowMs: number): void {
    this.#schedule = new Schedule(rate, this.#random);
    this.#startMs = nowMs;
    this.#isBlocked = false;
    this.#tick();
  }

  /** A request has ended: sends another one that is due. */
  noteEnd(nowMs: number): void {
    if (!this.#isBlocked) return;
    this.#isBlocked = false;
    this.blockedUntilMs = nowMs;
    this.#tick();
  }

  /** Sends everything that is due and can be sent, because this process may have been suspended. */
  catchUp(): void {
    const nowMs = performance.now();
    const isDue = (dueMs: number) => dueMs <= nowMs && dueMs < this.#lastDueMs;
    let dueMs = Number.NEGATIVE_INFINITY;
    while (
      isDue(dueMs) &&
      !this.#isStopped &&
      !this.#isBlocked &&
      performance.now() < nowMs + LAST_SENDS_MS
    ) {
      dueMs = this.#sendDue(nowMs);
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#disarm();
  }

  /** When the next request is due; infinity if none ever is. */
  get nextDueMs(): number {
    return this.#startMs + this.#schedule.dueMs;
  }

  /** Number of requests that were due between two times but not sent. */
  countMissed(fromMs: number, untilMs: number): number {
    const from = Math.min(untilMs, fromMs) - this.#startMs;
    return this.#schedule.countDueBefore(untilMs - this.#startMs) - this.#schedule.countDueBefore(from);
  }

  /** Sends requests that are due, and waits for the next one. */
  readonly #tick = (): void => {
    this.#disarm();
    if (this.#isStopped) return;
    const dueMs = this.#sendDue(performance.now());
    if (!this.#isStopped && !this.#isBlocked) this.#arm(dueMs);
  };

  /** Returns when the next request is due. */
  #sendDue(nowMs: number): number {
    const schedule = this.#schedule;
    let dueMs = this.#startMs + schedule.dueMs;
    for (let i = 0; i < MAX_BATCH && dueMs <= nowMs && dueMs < this.#lastDueMs; i++) {
      if (this.#sender.isFull) {
        this.#isBlocked = true;
        return dueMs;
      }
      schedule.advance();
      this.#sender.send(dueMs, performance.now());
      if (this.#isStopped) return Number.POSITIVE_INFINITY;
      dueMs = this.#startMs + schedule.dueMs;
    }
    return dueMs;
  }

  #arm(dueMs: number): void {
    if (dueMs >= this.#lastDueMs) return;
    const waitMs = dueMs - performance.now();
    if (waitMs > NEAR_MS) {
      this.#timer = setTimeout(this.#tick, Math.min(MAX_TIMER_MS, waitMs - NEAR_MS / 2));
    } else if (waitMs > WAKE_MS) {
      const wait = this.#wait;
      waitUntil(dueMs).then(() => wait === this.#wait && this.#tick());
    } else {
      // Lets the event loop read answers.
      this.#immediate = setImmediate(this.#tick);
    }
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
    this.#wait++;
  }
}
