import { waitFor } from "../lib/wait.ts";
import { type BehaviorDraws, type PreparedErrorRule, slownessAt } from "./behavior-draws.ts";
import { doWork } from "./busy-work.ts";
import { Gate } from "./gate.ts";
import type { LinkLog } from "./log.ts";
import { HeldMemory } from "./memory.ts";
import { TokenBucket } from "./rate-limit.ts";
import type { Refusal } from "./refusal.ts";
import type { Role } from "./roles.ts";
import type { LinkStats } from "./stats.ts";

/** CPU work is done in slices of this length; in between, the event loop serves others and handles signals. */
const PIECE_MS = 20;

/** The result of a behavior for one request: serve it, fail as the topology says, or refuse it. */
export type Verdict = "serve" | Refusal | PreparedErrorRule["fault"];

/** The behavior of one link in one role, apart from its calls. */
export class PreparedBehavior {
  readonly role: Role;
  readonly gate: Gate | null;
  readonly bucket: TokenBucket | null;
  /** When the link becomes ready, as a time of `performance.now()`. */
  readonly #readyAtMs: number;

  constructor(role: Role, startedAtMs: number) {
    const { concurrency, rateLimit, startupMs } = role.behavior;
    this.role = role;
    this.bucket = rateLimit === null ? null : new TokenBucket(rateLimit, startedAtMs);
    this.gate = concurrency === null ? null : new Gate(concurrency);
    this.#readyAtMs = startedAtMs + startupMs;
  }

  get isReady(): boolean {
    return performance.now() >= this.#readyAtMs;
  }

  /** Current slowdown factor; 1 once warmed up. */
  get slowness(): number {
    const { slowStart } = this.role.behavior;
    return slowStart === null ? 1 : slownessAt(performance.now() - this.#readyAtMs, slowStart);
  }
}

/** One request to which a {@link PreparedBehavior} applies. */
export class BehaviorRun {
  readonly #prepared: PreparedBehavior;
  #hasPlace = false;
  #memory: HeldMemory | null = null;
  #isOver = false;

  constructor(prepared: PreparedBehavior) {
    this.#prepared = prepared;
  }

  /** Spends the time that the behavior demands. Must be called only once. */
  async begin(stats: LinkStats, log: LinkLog | null): Promise<Verdict> {
    const { behavior, random } = this.#prepared.role;
    if (behavior.startupMs > 0 && !this.#prepared.isReady) return "starting";
    const { bucket } = this.#prepared;
    if (bucket !== null && !bucket.take(performance.now())) return "rate_limited";
    if (this.#prepared.gate !== null) {
      const refusal = await this.#enter(this.#prepared.gate, stats);
      if (refusal !== null) return refusal;
    }
    const { requestBytes } = behavior.memory;
    if (requestBytes > 0 && !this.#isOver && !this.#takeMemory(requestBytes)) return "out_of_memory";
    if (behavior.slow !== null) {
      const draw = random();
      log?.info(`Node's random_number: ${draw}`);
      if (draw < behavior.slow.probability) {
        log?.info(`This node is sleeping for ${behavior.slow.delayMs / 1000} seconds`);
        await waitFor(behavior.slow.delayMs);
      }
    }
    return this.#work(behavior);
  }

  /** Releases everything that the request holds, or as soon as it gets it. */
  end(): void {
    this.#isOver = true;
    this.#memory?.release();
    this.#memory = null;
    if (!this.#hasPlace) return;
    this.#hasPlace = false;
    this.#prepared.gate?.leave();
  }

  async #enter(gate: Gate, stats: LinkStats): Promise<Refusal | null> {
    const entering = gate.enter();
    stats.queued++;
    const admission = await entering;
    stats.queued--;
    if (admission !== "admitted") return admission;
    if (this.#isOver) gate.leave();
    else this.#hasPlace = true;
    return null;
  }

  async #work({ drawFault, drawLatencyMs, drawCpuMs, slowStart }: BehaviorDraws): Promise<Verdict> {
    const failure = drawFault === null ? null : drawFault();
    if (failure !== null && failure.drawAfterMs !== null) {
      await waitFor(failure.drawAfterMs());
      return failure.fault;
    }
    const slowness = slowStart === null ? 1 : this.#prepared.slowness;
    if (drawLatencyMs !== null) await waitFor(drawLatencyMs() * slowness);
    if (drawCpuMs !== null) await this.#keepBusy(drawCpuMs() * slowness);
    return failure === null ? "serve" : failure.fault;
  }

  async #keepBusy(ms: number): Promise<void> {
    let leftMs = ms;
    for (; leftMs > PIECE_MS && !this.#isOver; leftMs -= PIECE_MS) {
      doWork(PIECE_MS);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!this.#isOver) doWork(leftMs);
  }

  #takeMemory(bytes: number): boolean {
    try {
      this.#memory = new HeldMemory(bytes);
      return true;
    } catch {
      return false;
    }
  }
}
