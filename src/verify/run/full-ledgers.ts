import { addLedger, EMPTY_LEDGER, type Ledger } from "../../trace/ledger.ts";
import type { LedgerRecord } from "../../trace/ledger-record.ts";
import type { RunIds } from "../../trace/run.ts";
import type { Inquiry, LinkVisit, Question, Remembered } from "../backend/inquiry.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import { isCut } from "../judge/trace-view.ts";

/** A request whose answer brought no whole ledger, and what is there of its trace. */
export interface OpenRequest {
  /** In the book. */
  readonly index: number;
  readonly record: LedgerRecord;
  /** Nothing more that comes could show who calls whom. */
  readonly isLate: boolean;
  readonly spans: readonly SeenSpan[];
}

/** What links remember of a request. */
export interface FullLedger {
  /** With a whole ledger. */
  readonly record: LedgerRecord;
  /** Calls, and foreign spans, below which a link was visited. */
  readonly reached: ReadonlySet<string>;
  /** No link was visited. */
  readonly isUnreached: boolean;
}

/** Why it is not known. `later`: it may be known later. `never`: nobody can tell any more. */
export type NoLedger = "later" | "never";

interface Found {
  readonly ledger: FullLedger | "never";
  /** So many spans were there then. */
  readonly spans: number;
}

/** Requests of which answers are kept at a time; further ones are asked for anew. */
const MAX_KEPT = 50_000;
/** More traces say nothing new of who calls whom. */
const ENOUGH_TRACES = 2000;

/**
 * Ledgers that answers did not bring, put together from what each link remembers of its own spans. A visit is found by the trace
 * that it belongs to, so that no span has to have arrived for it; it is also found by the span that it named as parent, as something
 * before it may have put another trace id. Where that may have been another parent as well, the visit would be missed: so an edge counts as
 * not called only where other traces have shown that its callee's spans join their caller's.
 */
export class FullLedgers {
  readonly #inquiry: Inquiry;
  readonly #ids: RunIds;
  readonly #startMs: number;
  /** By place in the book; of which links know nothing any more: `never`. */
  readonly #found = new Map<number, Found>();
  readonly #seenEdges = new Set<string>();
  #hasSeenEntry = false;
  #learned = 0;

  /** @param startMs When the run began, in milliseconds since 1970 */
  constructor(inquiry: Inquiry, ids: RunIds, startMs: number) {
    this.#inquiry = inquiry;
    this.#ids = ids;
    this.#startMs = startMs;
    void inquiry.lookAround();
  }

  /**
   * By place in the book: what is known in full, what may be known `later`, and of what links know nothing any more.
   * @param isLast Whether nobody asks again
   */
  async find(
    requests: readonly OpenRequest[],
    entry: string | null,
    isLast: boolean,
  ): Promise<Map<number, FullLedger | NoLedger>> {
    const known = new Map<number, FullLedger | NoLedger>();
    const open: { readonly request: OpenRequest; readonly question: Question }[] = [];
    for (const request of requests) {
      const found = this.#recall(request);
      // More may have been visited since, as something may hold back requests that their callers have given up.
      if (found === "never" || (found !== null && !isLast)) known.set(request.index, found);
      else open.push({ request, question: this.#questionOf(request, entry) });
    }
    if (open.length === 0) return known;
    const remembered = await this.#inquiry.ask(open.map(({ question }) => question));
    for (const [at, { request, question }] of open.entries()) {
      const found = this.#sum(request, question, remembered[at] as Remembered, isLast);
      // What is forgotten by now may have been known before.
      const kept = found === "never" ? (this.#recall(request) ?? found) : found;
      if (kept !== "later" && this.#found.size < MAX_KEPT)
        this.#found.set(request.index, { ledger: kept, spans: request.spans.length });
      known.set(request.index, kept);
    }
    return known;
  }

  /** Takes from a trace which edges its spans show. */
  learn(spans: readonly SeenSpan[]): void {
    if (spans.length === 0 || this.#learned >= ENOUGH_TRACES) return;
    this.#learned++;
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

  #sum(
    { record, spans, isLate }: OpenRequest,
    { parents }: Question,
    { visits, isPending, memoryOf, mayHide }: Remembered,
    isLast: boolean,
  ): FullLedger | NoLedger {
    const isEnd = isLate || isLast;
    const visited = new Set(visits.flatMap(({ parent }) => parent ?? []));
    // Of visits that named a span that is not there.
    const isAnyLoose = visits.some(({ parent }) => parent === null);
    for (const [id, service] of parents) {
      const memory = memoryOf(service);
      if (memory === "forgotten") return "never";
      if (memory === "silent") return isEnd ? "never" : "later";
      if (!visited.has(id) && !isAnyLoose && mayHide(service)) return "never";
    }
    if (isPending) return "later";
    const reached = withAncestors(visited, spans);
    const isUnreached = visits.length === 0;
    const unreached = isAnyLoose ? [] : spans.filter(({ kind, id }) => kind === "CLIENT" && !reached.has(id));
    // Something may hold back a request that its caller has given up, and pass it on yet.
    const isHeldBack = isUnreached ? record.status === 0 : unreached.some(isCut);
    if (isHeldBack && !isEnd) return "later";
    const isSure =
      (!isUnreached || this.#hasSeenEntry) && unreached.every((span) => this.#seenEdges.has(edgeOf(span)));
    if (!isSure) return isEnd ? "never" : "later";
    const ledger = sumOf(visits);
    // Links that recorded less than the answer says are other links.
    if (ledger.count < (record.ledger?.count ?? 0)) return isLast ? "never" : "later";
    // Without an answer it may have been on its way to the entry.
    if (isUnreached && (record.status === 0 || spans.length > 0)) return "never";
    if (isAnyLoose) for (const { id } of spans) reached.add(id);
    return { record: { ...record, ledger }, reached, isUnreached };
  }
}

function sumOf(visits: readonly LinkVisit[]): Ledger {
  return visits.reduce((sum, { ledger }) => addLedger(sum, ledger), EMPTY_LEDGER);
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

function edgeOf({ serviceName, remote }: SeenSpan): string {
  return `${serviceName} ${remote}`;
}
