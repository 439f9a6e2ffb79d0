import { exposeMistake } from "../http/handler-error.ts";
import { waitFor } from "../lib/wait.ts";
import { type Caller, CallRun } from "./call-run.ts";
import type { StepPlan } from "./plan.ts";

/** A request whose calls are made step by step. */
export interface StepsOwner extends Caller {
  /** All calls are made or one failed. `run` is the failed call, otherwise the last one, or `null` without calls. */
  answerServed(run: CallRun | null): void;
}

/**
 * The calls of a visit, step by step, with those of one step in parallel. It belongs to its visit and is reused for many
 * requests, one at a time, so that calls do not allocate.
 */
export class Steps {
  readonly #owner: StepsOwner;
  #steps: readonly StepPlan[] = [];
  /** Index of the current step. */
  #at = 0;
  /** Number of calls in the step, and number of its calls and sleeps that have not ended. */
  #calls = 0;
  #pending = 0;
  /** The calls of the step; the array only grows. */
  readonly #runs: CallRun[] = [];
  /** The last call of the last step that made any, and its spare, with which it is swapped. */
  #last: CallRun | null = null;
  #spare: CallRun | null = null;

  constructor(owner: StepsOwner) {
    this.#owner = owner;
  }

  /** Begins the first step. Ends by calling {@link StepsOwner.answerServed}. */
  begin(steps: readonly StepPlan[]): void {
    this.#steps = steps;
    this.#at = 0;
    this.#spare ??= this.#last;
    this.#last = null;
    this.#goOn();
  }

  /** Notes that a call or sleep of the step has ended. */
  endOne(): void {
    if (--this.#pending > 0 || this.#owner.isOver) return;
    for (let i = 0; i < this.#calls; i++) {
      const run = this.#runs[i] as CallRun;
      if (run.status >= 400) {
        this.#owner.answerServed(run);
        return;
      }
    }
    if (this.#calls > 0) this.#keepLast(this.#calls - 1);
    this.#at++;
    this.#goOn();
  }

  /** Begins the next step with anything to do; after the last one, the visit answers. */
  #goOn(): void {
    for (; this.#at < this.#steps.length; this.#at++) {
      const { calls: planned, sleeps } = this.#steps[this.#at] as StepPlan;
      let calls = 0;
      // Safe while counting: a call never ends before `begin` returns.
      for (const plan of planned) {
        if (plan.call.probability < 1 && plan.draw() >= plan.call.probability) continue;
        let run = this.#runs[calls];
        if (run === undefined) {
          run = new CallRun(this.#owner, this);
          this.#runs.push(run);
        }
        calls++;
        run.begin(plan);
      }
      this.#calls = calls;
      this.#pending = calls;
      if (sleeps.length > 0) this.#sleep(sleeps);
      if (this.#pending > 0) return;
    }
    this.#owner.answerServed(this.#last);
  }

  #sleep(sleeps: StepPlan["sleeps"]): void {
    this.#pending += sleeps.length;
    for (const draw of sleeps) {
      // A sleep never ends before the whole step has begun, even if it takes no time.
      waitFor(draw())
        .then(() => {
          this.#owner.noteTime();
          this.endOne();
        })
        .catch(exposeMistake);
    }
  }

  /** The answer of a call outlives its step, so another call takes its place. */
  #keepLast(index: number): void {
    const last = this.#runs[index] as CallRun;
    this.#runs[index] = this.#last ?? this.#spare ?? new CallRun(this.#owner, this);
    this.#spare = null;
    this.#last = last;
  }
}
