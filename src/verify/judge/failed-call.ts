import type { FailedCall } from "../../contract/verify-result.ts";
import type { SeenSpan } from "./seen-span.ts";
import { edgeText } from "./verdict.ts";

const NONE: ReadonlySet<string> = new Set();

/** Counts the calls of traces that got no answer, or one that did not come from their callee. */
export class FailedCalls {
  readonly #counts = new Map<string, FailedCall>();

  /**
   * @param reached The ids of calls that reached their callee
   * @param elsewhere The ids of calls whose answers were made for other calls
   */
  add(spans: readonly SeenSpan[], reached: ReadonlySet<string>, elsewhere: ReadonlySet<string> = NONE): void {
    for (const span of spans) {
      if (span.kind !== "CLIENT" || span.remote === null) continue;
      const reason = describeFailure(span, reached.has(span.id), elsewhere.has(span.id));
      if (reason === null) continue;
      const edge = edgeText({ from: span.serviceName, to: span.remote });
      const key = `${edge} ${reason}`;
      const { calls = 0, retried = 0 } = this.#counts.get(key) ?? {};
      const isRetried = spans.some((other) => isNextAttempt(span, other));
      this.#counts.set(key, { edge, reason, calls: calls + 1, retried: retried + Number(isRetried) });
    }
  }

  addAll(others: FailedCalls): void {
    for (const [key, call] of others.#counts) {
      const { calls = 0, retried = 0 } = this.#counts.get(key) ?? {};
      this.#counts.set(key, { ...call, calls: calls + call.calls, retried: retried + call.retried });
    }
  }

  list(): FailedCall[] {
    return [...this.#counts.values()].toSorted((a, b) => b.calls - a.calls);
  }
}

/** `null` where the callee answered. */
function describeFailure(
  { status, failure, remote }: SeenSpan,
  isReached: boolean,
  isFromCache: boolean,
): string | null {
  if (status !== null && isFromCache) return `was answered with ${status} from a cache before ${remote}`;
  if (status !== null) return isReached ? null : `was answered with ${status} by something before ${remote}`;
  const [, timeout] = /^timeout: no answer within (\d+ ms)/.exec(failure ?? "") ?? [];
  if (timeout !== undefined) return `timed out after ${timeout}`;
  const [kind = ""] = (failure ?? "").split(":");
  return kind === "" ? "got no answer" : `failed (${kind.replaceAll("_", " ")})`;
}

function isNextAttempt(span: SeenSpan, other: SeenSpan): boolean {
  if (other.kind !== "CLIENT" || other.parentId !== span.parentId || other.remote !== span.remote)
    return false;
  if (span.attempt === null || other.attempt === null) return other.startUs > span.startUs;
  return other.attempt === span.attempt + 1;
}

/** In one sentence. */
export function describeFailedCall({ edge, reason, calls, retried }: FailedCall): string {
  const times = (count: number) => `${count} ${count === 1 ? "time" : "times"}`;
  if (retried === 0) return `${edge} ${reason} (${times(calls)})`;
  if (retried === calls) return `${edge} ${reason} and was retried (${times(calls)})`;
  return `${edge} ${reason} (${times(calls)}) and was retried (${times(retried)})`;
}
