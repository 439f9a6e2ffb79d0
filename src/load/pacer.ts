import type { Random } from "../lib/random.ts";
import { WAKE_MS, waitUntil } from "../lib/wait.ts";
import { type Rate, ROUNDING, Schedule } from "./schedule.ts";

/** What sends the requests. */
export interface Sender {
  /** No further request can be under way now. */
  readonly isFull: boolean;
  /** It may stop the pacer. */
  send(dueMs: number, nowMs: number): void;
}

/** Timers cannot be set further ahead (2^31 - 1 ms). */
export const MAX_TIMER_MS = 2_147_483_647;
/** Up to so long is waited for exactly; further ahead a timer is set, which can be taken back. */
const NEAR_MS = 20;
/** Requests begun in one turn, so that answers are read in between. */
const MAX_BATCH = 32;
/** Time to send what became due while this process stood still, when the load ends. */
const LAST_SENDS_MS = 20;

/** The open loop: begins requests when they are due, whatever became of those before. Times are of `performance.now()`. */
export class Pacer {
  /** Requests due before had to wait for others to end. */
  blockedUntilMs = 0;
  readonly #sender: Sender;
  /** `null`: in even steps. */
  readonly #random: Random | null;
  /** Nothing that is due later is sent. */
  readonly #lastDueMs: number;
  #schedule: Schedule;
  #startMs: number;
  /** The sender is full, and requests are due. */
  #isBlocked = false;
  #isStopped = false;
  #timer: Timer | undefined;
  /** Of the waits, which cannot be taken back: only the last one counts. */
  #wait = 0;
  #immediate: ReturnType<typeof setImmediate> | undefined;

  constructor(sender: Sender, rate: Rate, random: Random | null, startMs: number, endMs: number) {
    this.#sender = sender;
    this.#random = random;
    this.#lastDueMs = endMs - ROUNDING;
    this.#schedule = new Schedule(rate, random);
    this.#startMs = startMs;
  }

  /** Begins, at once. */
  start(): void {
    this.#tick();
  }

  /** Goes on at another rate. What was due and not begun is forgotten. */
  setRate(rate: Rate, nowMs: number): void {
    this.#schedule = new Schedule(rate, this.#random);
    this.#startMs = nowMs;
    this.#isBlocked = false;
    this.#tick();
  }

  /** A request has ended: another that is due takes its place. */
  noteEnd(nowMs: number): void {
    if (!this.#isBlocked) return;
    this.#isBlocked = false;
    this.blockedUntilMs = nowMs;
    this.#tick();
  }

  /** Sends what is due by now and can be sent: this process may have stood still. */
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

  /** When the next request is due; infinity when none ever is. */
  get nextDueMs(): number {
    return this.#startMs + this.#schedule.dueMs;
  }

  /** Requests that are due between two moments and were not begun. */
  countMissed(fromMs: number, untilMs: number): number {
    const from = Math.min(untilMs, fromMs) - this.#startMs;
    return this.#schedule.countDueBefore(untilMs - this.#startMs) - this.#schedule.countDueBefore(from);
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
      // A turn of the event loop, in which answers are read.
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
