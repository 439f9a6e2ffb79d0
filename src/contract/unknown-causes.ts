import { formatCount } from "../lib/count.ts";

/**
 * Number of `unknown` traces by cause: the status of an answer without a complete ledger; the kind of failure
 * of a request without an answer (`connection_refused`, …), or {@link NO_ANSWER} when the ledger does not
 * say; {@link DIFFERS}; or {@link ON_THE_WAY}.
 */
export type UnknownCauses = Readonly<Record<string, number>>;

/** There was no answer, and the ledger does not say why. */
export const NO_ANSWER = "no_answer";
/** The spans differ from a complete ledger. */
export const DIFFERS = "differs";

/** verify was interrupted while it waited for the spans. */
export const ON_THE_WAY = "on_the_way";
/** Causes that are not failures of a request. */
export const OWN_CAUSES: readonly string[] = [NO_ANSWER, DIFFERS, ON_THE_WAY];

/** Describes the causes; `null` if there are none. */
export function describeCauses(causes: UnknownCauses): string | null {
  const all = Object.entries(causes).toSorted(([, a], [, b]) => b - a);
  const statuses = all.filter(([cause]) => isStatus(cause));
  const kinds = all.filter(([cause]) => !isStatus(cause) && !OWN_CAUSES.includes(cause));
  const { [NO_ANSWER]: unanswered = 0, [DIFFERS]: differing = 0, [ON_THE_WAY]: onTheWay = 0 } = causes;
  const texts: string[] = [];
  if (kinds.length > 0) texts.push(`${formatCount(sumOf(kinds), "request")} failed${listOf(kinds)}`);
  if (unanswered > 0) {
    texts.push(`${formatCount(unanswered, "request")} got no answer, and the ledger does not say why`);
  }
  if (statuses.length > 0) {
    const text = `${formatCount(sumOf(statuses), "request")} got an answer without a complete ledger${listOf(statuses)}`;
    const isAnyGood = statuses.some(([status]) => Number(status) < 400);
    texts.push(isAnyGood ? `${text}, as from ${WITHOUT_LEDGER}` : text);
  }
  if (differing > 0) {
    texts.push(
      `the spans of ${formatCount(differing, "trace")} differ from the ledger, and verify cannot tell how`,
    );
  }
  if (onTheWay > 0) texts.push(`${formatCount(onTheWay, "trace")} may still arrive`);
  return texts.length === 0 ? null : texts.join("; ");
}

const WITHOUT_LEDGER =
  "a link of an older version, a service that is no link, or after a call that got no answer";

type Counts = readonly (readonly [cause: string, count: number])[];

function listOf(counts: Counts): string {
  return ` (${counts.map(([cause, count]) => `${count} × ${cause}`).join(", ")})`;
}

function sumOf(counts: Counts): number {
  return counts.reduce((sum, [, count]) => sum + count, 0);
}

export function isStatus(cause: string): boolean {
  return /^\d+$/.test(cause);
}
