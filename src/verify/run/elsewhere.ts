import { formatLedger, type Ledger } from "../../trace/ledger.ts";
import type { LedgerRecord } from "../../trace/ledger-record.ts";
import type { LinkVisit, Remembered } from "../backend/inquiry.ts";
import { xor } from "../judge/digest.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import { isCut } from "../judge/trace-view.ts";
import { type Edge, edgeText } from "../judge/verdict.ts";

/**
 * Answers whose ledgers claim spans of visits outside the trace: they came from a cache, or something put
 * another trace id on the calls.
 */
export interface Elsewhere {
  /** Ids of the calls with such an answer. */
  readonly calls: ReadonlySet<string>;
  readonly edges: readonly Edge[];
  /** The claimed spans, as a ledger. Different visits never have equal ledgers. */
  readonly claim: string;
  /** Whether these calls reached links in another trace, so that no cache has answered. */
  readonly isProved: boolean;
}

/** What is known about the links besides their visits. */
export interface Callers {
  readonly entry: string | null;
  /** All services; `null` without a graph. */
  readonly services: readonly string[] | null;
}

/** The edge of a call whose spans were lost. */
const UNKNOWN_EDGE: Edge = { from: null, to: "?" };

/**
 * Finds calls whose answers claim spans that no visit of this trace recorded. Returns `null` if there are
 * none, and `other links` if links that cannot be asked may have recorded the spans.
 */
export function findElsewhere(
  { ledger: answered }: LedgerRecord,
  ledger: Ledger,
  { visits: all, memoryOf, isShared }: Remembered,
  spans: readonly SeenSpan[],
  unreached: readonly SeenSpan[],
  { entry, services }: Callers,
): Elsewhere | "other links" | null {
  const proved = findProved(all, spans);
  if (proved !== null) return proved;
  if (answered === null) return null;
  const visits = all.filter(({ isElsewhere }) => !isElsewhere);
  const isAnyLoose = visits.some(({ parent }) => parent === null);
  const candidates = isAnyLoose
    ? findShort(visits, spans)
    : unreached.filter(({ status }) => status !== null);
  // Calls without an answer, and answers without a ledger.
  const open = Math.max(0, answered.unknown - spans.filter(isCut).length);
  // If more was recorded than the answer says, calls were repeated, and their spans hide what else it claims.
  if (ledger.count >= answered.count) return null;
  const canTell = (service: string) => memoryOf(service) === "whole" && !isShared(service);
  const isAll = services?.every(canTell) ?? false;
  const isNamed = candidates.length > open && candidates.every(({ remote }) => canTell(remote ?? ""));
  const isAtEntry = visits.length === 0 && spans.length === 0 && entry !== null && isAll;
  if (!isAll && !isNamed) return "other links";
  const edges = new Map(
    candidates.map((call) => [edgeOf(call), { from: call.serviceName, to: call.remote ?? "?" }]),
  );
  return {
    calls: new Set(candidates.map(({ id }) => id)),
    edges: isAtEntry ? [{ from: null, to: entry }] : edges.size > 0 ? [...edges.values()] : [UNKNOWN_EDGE],
    claim: formatLedger({ count: answered.count - ledger.count, ...xor(answered, ledger), unknown: 0 }),
    isProved: false,
  };
}

/** Finds calls whose callees say that they were visited in another trace. */
function findProved(visits: readonly LinkVisit[], spans: readonly SeenSpan[]): Elsewhere | null {
  const strayed = visits.filter(({ isElsewhere }) => isElsewhere);
  if (strayed.length === 0) return null;
  const edges = strayed.map(({ parent, service }): Edge => {
    const call = spans.find(({ id }) => id === parent);
    return { from: call?.serviceName ?? null, to: call?.remote ?? service ?? "?" };
  });
  return {
    calls: new Set(strayed.flatMap(({ parent }) => parent ?? [])),
    edges: [...new Map(edges.map((edge) => [edgeText(edge), edge])).values()],
    claim: "",
    isProved: true,
  };
}

/**
 * Finds answered calls to services without a visit. For other services, nobody can tell which calls were
 * visits.
 */
function findShort(visits: readonly LinkVisit[], spans: readonly SeenSpan[]): readonly SeenSpan[] {
  const answered = spans.filter(({ kind, status }) => kind === "CLIENT" && status !== null);
  return [...Map.groupBy(answered, ({ remote }) => remote)].flatMap(([service, calls]) =>
    visits.some((visit) => visit.service === service || visit.service === null) ? [] : calls,
  );
}

/** Returns the edge of a call as text. */
export function edgeOf({ serviceName, remote }: SeenSpan): string {
  return `${serviceName} ${remote}`;
}
