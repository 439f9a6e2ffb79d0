import { exposeMistake } from "../http/handler-error.ts";
import { waitFor } from "../lib/wait.ts";
import { type Caller, CallRun } from "./call-run.ts";
import type { StepPlan } from "./plan.ts";

/** A request whose calls come step after step. */
export interface StepsOwner extends Caller {
  /** All calls are made, or one failed: the last, or that one, if there was any. */
  answerServed(run: CallRun | null): void;
}

/**
 * The calls of a visit: step after step, those of one step at the same time. It belongs to its visit and serves many
 * requests, one at a time, so that their calls make no objects.
 */
export class Steps {
  readonly #owner: StepsOwner;
  #steps: readonly StepPlan[] = [];
  /** The one that is under way. */
  #at = 0;
  /** Calls of the step, and how many of them, and of its sleeps, are under way. */
  #calls = 0;
  #pending = 0;
  /** Those of the step; the array only grows. */
  readonly #runs: CallRun[] = [];
  /** The last call of the last step that made any, and the one whose place it takes. */
  #last: CallRun | null = null;
  #spare: CallRun | null = null;

  constructor(owner: StepsOwner) {
    this.#owner = owner;
  }

  /** Begins the first step. It ends in {@link StepsOwner.answerServed}. */
  begin(steps: readonly StepPlan[]): void {
    this.#steps = steps;
    this.#at = 0;
    this.#spare ??= this.#last;
    this.#last = null;
    this.#goOn();
  }

  /** A call or a sleep of the step has ended. */
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

  /** Begins the next step that has anything to do; without one, the visit answers. */
  #goOn(): void {
    for (; this.#at < this.#steps.length; this.#at++) {
      const { calls: planned, sleeps } = this.#steps[this.#at] as StepPlan;
      let calls = 0;
      // A call never ends before `begin` returns.
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
      // Not before the step is whole, even if it takes no time.
      waitFor(draw())
        .then(() => {
          this.#owner.noteTime();
          this.endOne();
        })
        .catch(exposeMistake);
    }
  }

  /** The answer of a call outlives its step: another takes its place. */
  #keepLast(index: number): void {
    const last = this.#runs[index] as CallRun;
    this.#runs[index] = this.#last ?? this.#spare ?? new CallRun(this.#owner, this);
    this.#spare = null;
    this.#last = last;
  }
}
