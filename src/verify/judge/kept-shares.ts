import type { Expected } from "../../contract/platform.ts";
import type { KeptGroup, KeptShare } from "../../contract/verify-result.ts";
import { formatDuration, parseDuration } from "../../lib/duration.ts";
import { parsePercentage } from "../../lib/percentage.ts";
import { formatShare } from "../../lib/share.ts";
import type { LedgerRecord } from "../../trace/ledger-record.ts";

/** What the sampling of a pipeline has to keep. The grammar is in docs/verify-your-mesh.md. */
export interface KeptExpectation {
  readonly text: string;
  readonly least: number;
  readonly most: number;
  /** A single share: chance may move what was kept by three standard deviations. */
  readonly isExact: boolean;
  readonly of: "all" | "errors" | "rest" | "slow";
  /** For `slow`: microseconds. */
  readonly overUs: number;
}

/** For people. */
export const KEPT_GRAMMAR =
  "[at least|at most] PERCENT of errors, of all, of the rest, or over DURATION, such as '100% of errors'";
const DEVIATIONS = 3;

/** `null` for text that does not follow {@link KEPT_GRAMMAR}. */
export function parseKeptExpectation(text: string): KeptExpectation | null {
  const words = /^\s*(at least|at most)?\s*([\d.]+)\s*%\s+(?:of (errors|all|the rest)|over (\S+))\s*$/i.exec(
    text,
  );
  if (words === null) return null;
  const [, bound = "", number = "", of = "slow", duration = ""] = words;
  const share = parsePercentage(`${number}%`);
  const overMs = duration === "" ? 0 : parseDuration(duration);
  if (share === undefined || overMs === undefined) return null;
  const kind = of.toLowerCase().replace("the ", "") as KeptExpectation["of"];
  const isMost = /most/i.test(bound);
  const isLeast = /least/i.test(bound);
  return {
    text,
    least: isMost ? 0 : share,
    most: isLeast ? 1 : share,
    isExact: bound === "",
    of: kind,
    overUs: overMs * 1000,
  };
}

/** Counts which traces a sampling pipeline kept: by answer and latency, and for each expectation. */
export class KeptShares {
  readonly #expectations: readonly KeptExpectation[];
  readonly #groups = new Map<string, { -readonly [K in keyof KeptGroup]: KeptGroup[K] }>();
  readonly #counts: { requests: number; kept: number }[];
  /** Requests whose latency the ledger does not tell. */
  #untimed = 0;

  constructor(expectations: readonly KeptExpectation[] = []) {
    this.#expectations = expectations;
    this.#counts = expectations.map(() => ({ requests: 0, kept: 0 }));
  }

  add(record: LedgerRecord, isKept: boolean): void {
    const answer = isError(record) ? "errors" : "others";
    const upToMs = record.latencyUs === undefined ? null : roundUp(record.latencyUs / 1000);
    const key = `${answer} ${upToMs}`;
    const group = this.#groups.get(key) ?? { answer, upToMs, requests: 0, kept: 0 };
    this.#groups.set(key, group);
    group.requests++;
    group.kept += Number(isKept);
    if (record.latencyUs === undefined) this.#untimed++;
    const isNamed = this.#expectations.some(
      (it) => it.of !== "rest" && it.of !== "all" && isMeant(it, record),
    );
    for (const [at, expectation] of this.#expectations.entries()) {
      const count = this.#counts[at];
      if (count === undefined) continue;
      if (expectation.of === "rest" ? isNamed : !isMeant(expectation, record)) continue;
      count.requests++;
      count.kept += Number(isKept);
    }
  }

  get total(): KeptShare {
    const sum = (field: "requests" | "kept") =>
      this.#groups.values().reduce((total, group) => total + group[field], 0);
    return { requests: sum("requests"), kept: sum("kept") };
  }

  /** Errors first, then by latency. */
  list(): KeptGroup[] {
    return [...this.#groups.values()].sort(
      (a, b) => a.answer.localeCompare(b.answer) || (a.upToMs ?? 0) - (b.upToMs ?? 0),
    );
  }

  check(): Expected[] {
    const needsLatency = this.#expectations.some(({ of }) => of === "slow");
    return this.#expectations.map((expectation, at) => {
      const { requests = 0, kept = 0 } = this.#counts[at] ?? {};
      const found = `${kept} of ${requests} kept${requests === 0 ? "" : `, ${formatShare(kept / requests)}`}`;
      const isTold = requests > 0 && !(needsLatency && this.#untimed > 0 && expectation.of !== "errors");
      const outcome = !isTold ? "could-not-tell" : isMet(expectation, requests, kept) ? "met" : "not-met";
      return { expectation: `kept ${expectation.text.trim()}`, outcome, found };
    });
  }
}

/** The next of 1, 2, 5, 10, 20, 50 … */
export function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return power * ([1, 2, 5].find((step) => step * power >= value) ?? 10);
}

export function describeLatency(upToMs: number | null): string {
  return upToMs === null ? "not known" : `up to ${formatDuration(upToMs)}`;
}

function isError({ status }: LedgerRecord): boolean {
  return status === 0 || status >= 400;
}

function isMeant({ of, overUs }: KeptExpectation, record: LedgerRecord): boolean {
  if (of === "errors") return isError(record);
  return of === "all" || (of === "slow" && (record.latencyUs ?? 0) > overUs);
}

function isMet({ least, most, isExact }: KeptExpectation, requests: number, kept: number): boolean {
  const share = kept / requests;
  // All or none leave nothing to chance.
  const margin = isExact ? DEVIATIONS * Math.sqrt((least * (1 - least)) / requests) : 0;
  return share >= least - margin && share <= most + margin;
}
