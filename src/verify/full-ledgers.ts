import type { RunIds } from "../trace/run.ts";
import type { RunRecord } from "../trace/run-ledger.ts";
import { type Inquiry, type NoVisits, type Question, sumOf, type Visits } from "./inquiry.ts";
import type { SeenSpan } from "./seen-span.ts";

/** A request whose answer brought no whole ledger, and what is there of its trace. */
export interface OpenRequest {
  /** In the book. */
  readonly index: number;
  readonly record: RunRecord;
  /** Nothing more that comes could show who calls whom. */
  readonly isLate: boolean;
  readonly spans: readonly SeenSpan[];
}

/** What links remember of a request. */
export interface FullLedger {
  /** With a whole ledger. */
  readonly record: RunRecord;
  /** Calls, and foreign spans, below which a link was visited. */
  readonly reached: ReadonlySet<string>;
  /** No link was visited. */
  readonly isUnreached: boolean;
}

/** Requests of which answers are kept at a time; further ones are asked for anew. */
const MAX_KEPT = 50_000;
/** More traces say nothing new of who calls whom. */
const ENOUGH_TRACES = 2000;

/**
 * Ledgers that answers did not bring, put together from what each link remembers of its own spans. A visit is known by the span
 * that it named as parent: the root by the id that the load generator sent, all others by the spans of the trace. A link that
 * was called and whose visit is not known by any span would be missed, so an edge counts as not called only where other
 * traces have shown that its callee names a span that can be seen.
 */
export class FullLedgers {
  readonly #inquiry: Inquiry;
  readonly #ids: RunIds;
  readonly #startMs: number;
  /** By place in the book, then by parent id. */
  readonly #known = new Map<number, Map<string, Visits>>();
  /** Requests of which some link knows nothing any more. */
  readonly #lost = new Set<number>();
  readonly #seenEdges = new Set<string>();
  #hasSeenEntry = false;
  #learned = 0;

  /** @param startMs When the run began, in milliseconds since 1970 */
  constructor(inquiry: Inquiry, ids: RunIds, startMs: number) {
    this.#inquiry = inquiry;
    this.#ids = ids;
    this.#startMs = startMs;
  }

  /**
   * By place in the book: what is known in full, what may be known `later`, and of what links know nothing any more.
   * @param isLast Whether nobody asks again
   */
  async find(
    requests: readonly OpenRequest[],
    entry: string | null,
    isLast: boolean,
  ): Promise<Map<number, FullLedger | NoVisits>> {
    const asked = requests.map((request) => ({
      request,
      questions: this.#lost.has(request.index) ? [] : this.#questionsOf(request, entry),
    }));
    const open = asked.flatMap(({ request, questions }) => {
      const known = this.#known.get(request.index);
      return questions.filter(({ parentId }) => !known?.has(parentId));
    });
    const answers = open.length === 0 ? new Map<string, Visits | NoVisits>() : await this.#inquiry.ask(open);
    return new Map(
      asked.map(({ request, questions }) => {
        const { index } = request;
        const found = this.#lost.has(index) ? "never" : this.#put(request, questions, answers, isLast);
        if (found === "never") this.#lost.add(index);
        return [index, found];
      }),
    );
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

  forget(index: number): void {
    this.#known.delete(index);
    this.#lost.delete(index);
  }

  /** Ids that visits may have named as parent: the root's, calls, foreign spans, and parents that are not there. */
  #questionsOf({ record, spans }: OpenRequest, entry: string | null): Question[] {
    const firstUs = Math.min(...spans.flatMap(({ startUs }) => (startUs > 0 ? startUs : [])));
    const sinceMs = Number.isFinite(firstUs) ? firstUs / 1000 : this.#startMs;
    const root = this.#rootOf(record);
    const services = new Map<string, string | null>([[root, entry]]);
    for (const { kind, parentId } of spans)
      if (kind === "SERVER" && parentId !== null && !services.has(parentId)) services.set(parentId, null);
    for (const { id, kind, remote } of spans)
      if (kind !== "SERVER" || services.has(id)) services.set(id, kind === "CLIENT" ? remote : null);
    return Array.from(services, ([parentId, service]) => ({ parentId, service, sinceMs }));
  }

  #rootOf({ sequence }: RunRecord): string {
    return this.#ids.traceId(sequence).slice(-16);
  }

  #put(
    { index, record, spans, isLate }: OpenRequest,
    questions: readonly Question[],
    answers: ReadonlyMap<string, Visits | NoVisits>,
    isLast: boolean,
  ): FullLedger | NoVisits {
    const known = this.#known.get(index) ?? new Map<string, Visits>();
    let isPending = false;
    for (const { parentId } of questions) {
      const visits = known.get(parentId) ?? answers.get(parentId) ?? "never";
      if (visits === "never") return "never";
      if (visits === "later") isPending = true;
      else known.set(parentId, visits);
    }
    if (this.#known.size < MAX_KEPT || this.#known.has(index)) this.#known.set(index, known);
    if (isPending) return "later";
    const isVisited = (id: string) => (known.get(id)?.length ?? 0) > 0;
    const isUnreached = !isVisited(this.#rootOf(record));
    const reached = withAncestors([...known.keys()].filter(isVisited), spans);
    const unreached = spans.filter(({ kind, id }) => kind === "CLIENT" && !reached.has(id));
    const isSure =
      (!isUnreached || this.#hasSeenEntry) && unreached.every((span) => this.#seenEdges.has(edgeOf(span)));
    if (!isSure) return isLate || isLast ? "never" : "later";
    const ledger = sumOf([...known.values()].flat());
    // Links that recorded less than the answer says are other links.
    if (ledger.count < (record.ledger?.count ?? 0)) return isLast ? "never" : "later";
    // Without an answer it may have been on its way to the entry.
    if (isUnreached && (record.status === 0 || spans.length > 0)) return "never";
    return { record: { ...record, ledger }, reached, isUnreached: isUnreached && ledger.count === 0 };
  }
}

/** The ids, and those of all spans above them. */
function withAncestors(ids: readonly string[], spans: readonly SeenSpan[]): Set<string> {
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
