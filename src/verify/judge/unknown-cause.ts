import {
  DIFFERS,
  isStatus,
  NO_ANSWER,
  ON_THE_WAY,
  OWN_CAUSES,
  type UnknownCauses,
} from "../../contract/unknown-causes.ts";
import { formatCount } from "../../lib/count.ts";
import type { LedgerRecord } from "../../trace/ledger-record.ts";
import type { Verdict } from "./verdict.ts";

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
  const kinds = Object.keys(causes).filter((cause) => !isStatus(cause) && !OWN_CAUSES.includes(cause));
  return `the request got no answer${kinds.length === 0 ? "" : `: ${kinds.join(" or ").replaceAll("_", " ")}`}`;
}
