import { formatLedger, type Ledger } from "../../trace/ledger.ts";
import type { LedgerRecord } from "../../trace/ledger-record.ts";
import type { RunIds } from "../../trace/run.ts";
import type { Inquiry, Question, Remembered } from "../backend/inquiry.ts";
import { ledgerOf } from "../judge/digest.ts";
import type { RecordedSpans } from "../judge/recorded-spans.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import { isCut, TraceView } from "../judge/trace-view.ts";
import { type Callers, type Elsewhere, edgeOf, findElsewhere } from "./elsewhere.ts";
import { countByLink, sumOfVisits } from "./visits.ts";

/** A request whose answer brought no complete ledger, with the spans that have arrived. */
export interface OpenRequest {
  /** Index in the run's ledger. */
  readonly index: number;
  readonly record: LedgerRecord;
  /** Whether later spans can no longer show who calls whom. */
  readonly isLate: boolean;
  readonly spans: readonly SeenSpan[];
}

/** What links remember about a request. */
export interface FullLedger {
  /** The record with a complete ledger. */
  readonly record: LedgerRecord;
  /** Ids of calls and foreign spans below which a link was visited. */
  readonly reached: ReadonlySet<string>;
  /** What each link says it recorded; `null` if a link did not give its name. */
  readonly recorded: ReadonlyMap<string, RecordedSpans> | null;
  /** Whether no link was visited. */
  readonly isUnreached: boolean;
  /** What the answer claims beyond the visits of the trace; `null`: nothing. */
  readonly elsewhere: Elsewhere | null;
}

/** Why a ledger is unknown. `later`: it may be known later. `never`: the links have forgotten it. */
export type NoLedger = "later" | "never";

interface Found {
  readonly ledger: FullLedger | "never";
  /** Number of spans that had arrived at that time. */
  readonly spans: number;
}

/** Maximum number of remembered ledgers. Others are asked for again. */
const MAX_KEPT = 50_000;
/** Traces beyond this number teach nothing new about who calls whom. */
const ENOUGH_TRACES = 2000;

/**
 * Ledgers that answers did not bring, added up from what each link remembers about its own spans. A visit is
 * found by its trace id, so no span of it has to arrive. It is also found by its parent's span id, because
 * something before the link may have replaced the trace id. If the parent id was replaced as well, the visit
 * would be missed. So an edge counts as not called only if other traces have shown that its callee's spans
 * join their caller's.
 */
export class FullLedgers {
  readonly #inquiry: Inquiry;
  readonly #ids: RunIds;
  readonly #startMs: number;
  /** By index in the run's ledger; `never` if links have forgotten the request. */
  readonly #found = new Map<number, Found>();
  readonly #seenEdges = new Set<string>();
  #hasSeenEntry = false;
  #learned = 0;
  /**
   * Claims and ledgers below calls, with the index of their request; `null` if several requests have the
   * same.
   */
  readonly #claims = new Map<string, number | null>();

  /** @param startMs start of the run, in milliseconds since 1970 */
  constructor(inquiry: Inquiry, ids: RunIds, startMs: number) {
    this.#inquiry = inquiry;
    this.#ids = ids;
    this.#startMs = startMs;
    void inquiry.lookAround();
  }

  /**
   * Returns, by index in the run's ledger, the complete ledgers, `later` for those that may become known, and
   * `never` for those that links have forgotten.
   * @param isLast whether this is the last query
   */
  async find(
    requests: readonly OpenRequest[],
    callers: Callers,
    isLast: boolean,
  ): Promise<Map<number, FullLedger | NoLedger>> {
    const known = new Map<number, FullLedger | NoLedger>();
    const open: { readonly request: OpenRequest; readonly question: Question }[] = [];
    for (const request of requests) {
      const found = this.#recall(request);
      // More links may have been visited since: something may hold back requests that their callers have
      // given up.
      if (found === "never" || (found !== null && !isLast)) known.set(request.index, found);
      else open.push({ request, question: this.#questionOf(request, callers.entry) });
    }
    if (open.length === 0) return known;
    const remembered = await this.#inquiry.ask(open.map(({ question }) => question));
    for (const [at, { request, question }] of open.entries()) {
      const found = this.#sum(request, question, remembered[at] as Remembered, callers, isLast);
      // A ledger that links have forgotten may have been known before.
      const kept = found === "never" ? (this.#recall(request) ?? found) : found;
      if (kept !== "later" && this.#found.size < MAX_KEPT)
        this.#found.set(request.index, { ledger: kept, spans: request.spans.length });
      known.set(request.index, kept);
      if (typeof kept === "object" && kept.elsewhere !== null)
        this.#addClaim(kept.elsewhere.claim, request.index);
    }
    return known;
  }

  /**
   * Whether the answers came from a cache: other requests brought the same claim, or it is the ledger of another request's
   * call. Asked too early, the others may not be known yet.
   */
  isFromCache({ claim, isProved }: Elsewhere): boolean {
    return !isProved && this.#claims.get(claim) === null;
  }

  #addClaim(claim: string, index: number): void {
    const first = this.#claims.get(claim);
    if (first === undefined) this.#claims.set(claim, index);
    else if (first !== index) this.#claims.set(claim, null);
  }

  /** Takes from a trace which edges its spans show. */
  learn({ index, spans, record }: OpenRequest): void {
    if (spans.length === 0 || this.#learned >= ENOUGH_TRACES) return;
    this.#learned++;
    this.#learnAnswers(index, spans, record.ledger);
    const byId = new Map(spans.map((span) => [span.id, span]));
    for (const span of spans) {
      if (span.kind !== "SERVER" || span.recorder !== undefined) continue;
      if (span.parentId === null) this.#hasSeenEntry = true;
      let caller = byId.get(span.parentId ?? "");
      // Foreign spans lie between; as many turns as there are spans, as parents may go in a circle.
      for (let turn = 0; turn < spans.length && caller !== undefined && !isCall(caller, span); turn++)
        caller = byId.get(caller.parentId ?? "");
      if (caller !== undefined && isCall(caller, span)) this.#seenEdges.add(edgeOf(caller));
    }
  }

  /** What is known of the request with the spans that are there; `null` where more have come. */
  #recall({ index, spans }: OpenRequest): FullLedger | "never" | null {
    const found = this.#found.get(index);
    return found !== undefined && (found.ledger === "never" || found.spans === spans.length)
      ? found.ledger
      : null;
  }

  forget(index: number): void {
    this.#found.delete(index);
  }

  /** Spans that visits may have named as parent: the root's, calls, foreign spans, and parents that are not there. */
  #questionOf({ record, spans }: OpenRequest, entry: string | null): Question {
    const firstUs = Math.min(...spans.flatMap(({ startUs }) => (startUs > 0 ? startUs : [])));
    const sinceMs = Number.isFinite(firstUs) ? firstUs / 1000 : this.#startMs;
    const traceLow = this.#ids.traceId(record.sequence).slice(-16);
    // The load generator names it as parent of the root, too.
    const parents = new Map<string, string | null>([[traceLow, entry]]);
    for (const { kind, parentId } of spans)
      if (kind === "SERVER" && parentId !== null && !parents.has(parentId)) parents.set(parentId, null);
    for (const { id, kind, remote } of spans)
      if (kind !== "SERVER" || parents.has(id)) parents.set(id, kind === "CLIENT" ? remote : null);
    return { traceLow, parents, sinceMs };
  }

  /** Remembers what each call of a whole trace brought: a cache may give it out again. */
  #learnAnswers(index: number, spans: readonly SeenSpan[], ledger: Ledger | null): void {
    if (ledger === null || spans.length < ledger.count) return;
    const view = new TraceView(spans, []);
    for (const { id, kind, status } of spans) {
      if (kind !== "CLIENT" || status === null) continue;
      const below = ledgerOf(view.below(id));
      if (below.count > 0) this.#addClaim(formatLedger(below), index);
    }
    this.#addClaim(formatLedger(ledger), index);
  }

  #sum(
    { record, spans, isLate }: OpenRequest,
    { parents }: Question,
    remembered: Remembered,
    callers: Callers,
    isLast: boolean,
  ): FullLedger | NoLedger {
    const { isPending, memoryOf, isShared, mayHaveBegun } = remembered;
    const visits = remembered.visits.filter(({ isElsewhere }) => !isElsewhere);
    const isEnd = isLate || isLast;
    const visited = new Set(visits.flatMap(({ parent }) => parent ?? []));
    // Of visits that named a span that is not there.
    const isAnyLoose = visits.some(({ parent }) => parent === null);
    for (const service of new Set(parents.values())) {
      const memory = memoryOf(service);
      if (memory === "forgotten") return "never";
      if (memory === "silent") return isEnd ? "never" : "later";
    }
    if (isPending) return "later";
    const reached = withAncestors(visited, spans);
    const isUnreached = visits.length === 0;
    const unreached = isAnyLoose ? [] : spans.filter(({ kind, id }) => kind === "CLIENT" && !reached.has(id));
    const ledger = sumOfVisits(visits);
    const elsewhere = findElsewhere(record, ledger, remembered, spans, unreached, callers);
    if (elsewhere === "other links") return isLast ? "never" : "later";
    for (const [id, service] of parents) {
      if (visited.has(id) || isAnyLoose) continue;
      // Whoever was visited in another trace is no part of this one.
      if (isShared(service) || (mayHaveBegun(service) && !elsewhere?.calls.has(id))) return "never";
    }
    // A gateway may hold back a request that its caller has given up, and pass it on later.
    const isHeldBack = isUnreached ? record.status === 0 : unreached.some(isCut);
    if (isHeldBack && !isEnd) return "later";
    const isSure =
      (!isUnreached || this.#hasSeenEntry || elsewhere !== null) &&
      unreached.every((span) => elsewhere?.calls.has(span.id) || this.#seenEdges.has(edgeOf(span)));
    if (!isSure) return isEnd ? "never" : "later";
    // Without an answer it may have been on its way to the entry.
    if (isUnreached && (record.status === 0 || spans.length > 0)) return "never";
    if (isAnyLoose) for (const { id } of spans) if (!elsewhere?.calls.has(id)) reached.add(id);
    return { record: { ...record, ledger }, reached, recorded: countByLink(visits), isUnreached, elsewhere };
  }
}

/** The ids, and those of all spans above them. */
function withAncestors(ids: Iterable<string>, spans: readonly SeenSpan[]): Set<string> {
  const parents = new Map(spans.map(({ id, parentId }) => [id, parentId]));
  const found = new Set<string>();
  for (const first of ids) {
    for (let id: string | null | undefined = first; id && !found.has(id); id = parents.get(id)) found.add(id);
  }
  return found;
}

function isCall(caller: SeenSpan, callee: SeenSpan): boolean {
  return caller.kind === "CLIENT" && caller.remote === callee.serviceName;
}
