import { formatCount } from "../../lib/count.ts";
import type { LedgerRecord } from "../../trace/ledger-record.ts";
import type { Verdict } from "./verdict.ts";

/**
 * Number of `unknown` traces by cause: the status of an answer without a complete ledger; the kind of failure
 * of a request without an answer (`connection_refused`, …), or {@link NO_ANSWER} when the ledger does not
 * say; {@link DIFFERS}; or {@link ON_THE_WAY}.
 */
export type UnknownCauses = Readonly<Record<string, number>>;

/** There was no answer, and the ledger does not say why. */
const NO_ANSWER = "no_answer";
/** The spans differ from a complete ledger. */
const DIFFERS = "differs";

/** verify was interrupted while it waited for the spans. */
export const ON_THE_WAY = "on_the_way";
/** Causes that are not failures of a request. */
const OURS: readonly string[] = [NO_ANSWER, DIFFERS, ON_THE_WAY];

/** Returns `null` for a trace that is not `unknown`. */
export function causeOf({ status, ledger }: LedgerRecord, verdict: Verdict): string | null {
  if (verdict.class !== "unknown") return null;
  if (verdict.isOnTheWay) return ON_THE_WAY;
  if (ledger !== null && ledger.unknown === 0) return DIFFERS;
  return status === 0 ? NO_ANSWER : String(status);
}

/** Adds what the sender knows about failed requests: by kind, and by status from 400. */
export function withFailures(
  causes: ReadonlyMap<string, number>,
  failures: ReadonlyMap<string, number> | null,
): UnknownCauses {
  const { [NO_ANSWER]: unanswered = 0, ...others } = Object.fromEntries(causes);
  if (unanswered === 0) return others;
  const kinds = [...(failures ?? [])].filter(([kind]) => !isStatus(kind));
  return { ...others, ...(kinds.length > 0 ? Object.fromEntries(kinds) : { [NO_ANSWER]: unanswered }) };
}

/** Describes the causes; `null` if there are none. */
export function describeCauses(causes: UnknownCauses): string | null {
  const all = Object.entries(causes).toSorted(([, a], [, b]) => b - a);
  const statuses = all.filter(([cause]) => isStatus(cause));
  const kinds = all.filter(([cause]) => !isStatus(cause) && !OURS.includes(cause));
  const { [NO_ANSWER]: unanswered = 0, [DIFFERS]: differing = 0, [ON_THE_WAY]: onTheWay = 0 } = causes;
  const texts: string[] = [];
  if (kinds.length > 0) texts.push(`${formatCount(sumOf(kinds), "request")} failed${listOf(kinds)}`);
  if (unanswered > 0) {
    texts.push(`${formatCount(unanswered, "request")} got no answer, and the ledger does not say why`);
  }
  if (statuses.length > 0) {
    const text = `${formatCount(sumOf(statuses), "request")} got an answer without a complete ledger${listOf(statuses)}`;
    const isAnyGood = statuses.some(([status]) => Number(status) < 400);
    texts.push(isAnyGood ? `${text}, as from ${WITHOUT_ACCOUNT}` : text);
  }
  if (differing > 0) {
    texts.push(
      `the spans of ${formatCount(differing, "trace")} differ from the ledger, and verify cannot tell how`,
    );
  }
  if (onTheWay > 0) texts.push(`${formatCount(onTheWay, "trace")} may still arrive`);
  return texts.length === 0 ? null : texts.join("; ");
}

/**
 * Describes why one trace is unknown. The run's `causes` narrow it down when the ledger only says that there
 * was no answer.
 */
export function describeUnknown(
  { certainty, expected, seen, isOnTheWay }: Verdict,
  cause: string | null,
  causes: UnknownCauses,
): string {
  if (isOnTheWay)
    return `${seen} of ${formatCount(expected ?? 0, "span")} had arrived when verify was interrupted`;
  if (cause === DIFFERS) return "the spans differ from the ledger, and verify cannot tell how";
  if (cause === null || cause === NO_ANSWER) return noAnswer(causes);
  const answer = `the request was answered with ${cause}`;
  if (expected === null) return `${answer}, without a ledger`;
  const rest =
    certainty === "proved" ? "everything else arrived" : "whether everything else arrived is unknown";
  return `${answer}; a call got no answer, or one without a ledger; ${rest}`;
}

function noAnswer(causes: UnknownCauses): string {
  const kinds = Object.keys(causes).filter((cause) => !isStatus(cause) && !OURS.includes(cause));
  return `the request got no answer${kinds.length === 0 ? "" : `: ${kinds.join(" or ").replaceAll("_", " ")}`}`;
}

const WITHOUT_ACCOUNT =
  "a link of an older version, a service that is no link, or after a call that got no answer";

type Counts = readonly (readonly [cause: string, count: number])[];

function listOf(counts: Counts): string {
  return ` (${counts.map(([cause, count]) => `${count} × ${cause}`).join(", ")})`;
}

function sumOf(counts: Counts): number {
  return counts.reduce((sum, [, count]) => sum + count, 0);
}

function isStatus(cause: string): boolean {
  return /^\d+$/.test(cause);
}
