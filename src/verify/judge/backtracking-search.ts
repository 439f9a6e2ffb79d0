import type { Ledger } from "../../trace/ledger.ts";
import type { CallGraph, GraphCall, GraphService } from "./call-graph.ts";
import { type Digest, isZero, ledgerOfSpan, xor } from "./digest.ts";
import type { SeenSpan } from "./seen-span.ts";
import { isCut, type TraceView } from "./trace-view.ts";
import type { Edge, MissingSpan } from "./verdict.ts";

/** Maximum steps of one search. A trace whose many losses could be anything exhausts them. */
const MAX_STEPS = 100_000;
const MAX_SOLUTIONS = 256;

/** Missing spans that cannot be told apart have the same key. */
export function keyOf({ link, kind, edge, id }: MissingSpan): string {
  return `${kind} ${link} ${edge?.from}>${edge?.to} ${id}`;
}

type Next<T> = (value: T) => void;

/** A failed call ends the steps of its service, except for later calls that the trace shows. */
interface Failed {
  readonly status: number;
  readonly despite: ReadonlySet<string>;
}

/** A SERVER span whose calls are being walked. `id` is `null` when the span is missing and no child names it. */
interface Place {
  readonly id: string | null;
  readonly service: GraphService;
}

/**
 * Finds the missing spans of a trace by backtracking over the calls that the graph allows. At each place the search tries every
 * possibility: the span is there; it is missing, but a child names its id; it is missing and nothing names it. Each choice calls
 * the rest of the walk (`next`) and undoes itself when that returns, so at any moment `#used` and `#missing` describe one candidate.
 *
 * Example: a calls b, the ledger counts 3 spans, and the backend has SERVER a (id 1) and SERVER b (id 3, parent 2).
 *
 *     use SERVER a (1)            1 of 3 spans has its place
 *       lose CLIENT a > b (2)     span 3 names its parent, so the missing span has id 2
 *         use SERVER b (3)        3 of 3 spans have their place
 *           conclude              residual XOR hash of span 2 is 0: the ledger's digest proves it
 */
export class BacktrackingSearch {
  readonly solutions = new Map<string, readonly MissingSpan[]>();
  proof: readonly MissingSpan[] | null = null;
  isExhausted = false;
  readonly #view: TraceView;
  readonly #ledger: Ledger;
  readonly #graph: CallGraph;
  readonly #residual: Digest;
  readonly #reached: ReadonlySet<string> | undefined;
  readonly #fragments: ReadonlyMap<string, readonly SeenSpan[]>;
  readonly #openFragments = new Set<string>();
  readonly #used = new Set<SeenSpan>();
  readonly #missing: MissingSpan[] = [];
  /** Spans below calls that no ledger covers. */
  readonly #outside = new Set<SeenSpan>();
  #cuts = 0;
  #steps = 0;

  constructor(
    view: TraceView,
    ledger: Ledger,
    graph: CallGraph,
    residual: Digest,
    reached?: ReadonlySet<string>,
  ) {
    this.#view = view;
    this.#ledger = ledger;
    this.#graph = graph;
    this.#residual = residual;
    this.#reached = reached;
    this.#fragments = view.absentParents();
    for (const id of this.#fragments.keys()) this.#openFragments.add(id);
  }

  run(): void {
    const { entry } = this.#graph;
    const edge = { from: null, to: entry };
    const end = () => this.#conclude();
    const roots = this.#view
      .childrenOf(null)
      .filter(({ kind, serviceName }) => kind === "SERVER" && serviceName === entry);
    for (const root of roots) this.#serve(entry, root, null, end);
    if (roots.length > 0) return;
    for (const id of this.#fragmentsOf("SERVER", entry)) {
      this.#lose({ link: entry, kind: "SERVER", edge, id, parentId: null }, () =>
        this.#visit(entry, id, null, end),
      );
    }
    this.#lose({ link: entry, kind: "SERVER", edge, id: null, parentId: null }, () =>
      this.#visit(entry, null, null, end),
    );
  }

  /** Places a SERVER span that the backend has. */
  #serve(name: string, span: SeenSpan, answered: number | null, next: Next<number | null>): void {
    this.#use(span, () => this.#visit(name, span.id, span.status ?? answered, next));
  }

  /** Walks the calls of a SERVER. `id` and `status` are `null` where they are unknown. */
  #visit(name: string, id: string | null, status: number | null, next: Next<number | null>): void {
    if (!this.#step()) return;
    const service = this.#graph.services.get(name);
    if (service === undefined) {
      next(status);
      return;
    }
    const hasCalls = id !== null && this.#view.childrenOf(id).length > 0;
    if (!hasCalls) for (const own of ownErrors(service, status)) next(own);
    const isServed = (failure: number | null) => {
      if (failure === null && (status === null || status < 400)) next(status ?? 200);
      else if (failure !== null && (status === null || status === failure || failure === UNANSWERED))
        next(failure);
    };
    this.#makeSteps({ id, service }, 0, null, isServed);
  }

  /** @param failed the first earlier step that failed, if any */
  #makeSteps(place: Place, index: number, failed: Failed | null, next: Next<number | null>): void {
    const step = place.service.steps[index];
    if (step === undefined) {
      next(failed?.status ?? null);
      return;
    }
    if (failed !== null) this.#makeSteps(place, index + 1, failed, next);
    if (failed !== null && !step.some(({ service }) => failed.despite.has(service))) return;
    this.#makeCalls(place, step, 0, null, (status) => {
      const despite = step[0]?.despite ?? NOBODY;
      this.#makeSteps(place, index + 1, failed ?? (status === null ? null : { status, despite }), next);
    });
  }

  #makeCalls(
    place: Place,
    step: readonly GraphCall[],
    index: number,
    failure: number | null,
    next: Next<number | null>,
  ): void {
    const call = step[index];
    if (call === undefined) {
      next(failure);
      return;
    }
    const goOn = (status: number) =>
      this.#makeCalls(place, step, index + 1, failure ?? (status >= 400 ? status : null), next);
    if (!call.isCertain) goOn(NOT_CALLED);
    this.#attempt(place, call, 0, goOn);
  }

  #attempt(place: Place, call: GraphCall, attempt: number, next: Next<number>): void {
    if (!this.#step()) return;
    const settle = (status: number) => {
      const isLast = attempt >= call.retries;
      const repeats = isLast ? "never" : call.repeats(status === UNANSWERED ? null : status);
      if (repeats !== "always" || status < 400) next(status);
      const isRepeated = status >= 400 ? repeats !== "never" : call.isMadeAgain === true && !isLast;
      if (isRepeated) this.#attempt(place, call, attempt + 1, next);
    };
    const edge = { from: place.service.name, to: call.service };
    const client = this.#findClient(place, call, attempt);
    if (client !== undefined) {
      this.#use(client, () => this.#below(client, call, edge, settle));
      // When a service calls this callee only once and the first attempt is there, there is no other possibility.
      if (
        this.#isOnlyCall(place, call) &&
        (client.attempt === attempt || call.retries === 0) &&
        !call.isMadeAgain
      )
        return;
    }
    const lost = { link: place.service.name, kind: "CLIENT", edge } as const;
    const parentId = place.id ?? undefined;
    for (const id of this.#fragmentsOf("CLIENT", call.service)) {
      const [server] = this.#fragments.get(id) ?? [];
      if (server === undefined) continue;
      this.#lose({ ...lost, id, parentId }, () =>
        this.#serve(call.service, server, null, withStatus(settle)),
      );
    }
    this.#lose({ ...lost, id: null, parentId }, () => this.#loseServer(undefined, call, edge, null, settle));
  }

  /** Walks what is below a CLIENT span that the backend has. */
  #below(client: SeenSpan, call: GraphCall, edge: Edge, next: Next<number>): void {
    if (this.#reached?.has(client.id) === false) {
      next(client.status ?? UNANSWERED);
      return;
    }
    // Unless the links were asked, the ledger covers nothing below a call that failed.
    const isKnown = this.#reached !== undefined && client.failure !== undefined;
    if (isCut(client) && !isKnown) {
      this.#cut(client.id, () => next(UNANSWERED));
      return;
    }
    const settle = isCut(client) ? () => next(UNANSWERED) : withStatus(next);
    const servers = this.#view
      .childrenOf(client.id)
      .filter(({ kind, serviceName }) => kind === "SERVER" && serviceName === call.service);
    for (const server of servers) this.#serve(call.service, server, client.status, settle);
    if (servers.length > 0) return;
    this.#loseServer(client.id, call, edge, client.status, settle);
    // The call was answered, but the answer carried no ledger.
    this.#cut(client.id, () => next(client.status ?? 200));
  }

  #loseServer(
    parentId: string | undefined,
    call: GraphCall,
    edge: Edge,
    status: number | null,
    next: Next<number>,
  ): void {
    const lost = { link: call.service, kind: "SERVER", edge, parentId } as const;
    const settle = withStatus(next);
    for (const id of this.#fragmentsOf("SERVER", call.service)) {
      this.#lose({ ...lost, id }, () => this.#visit(call.service, id, status, settle));
    }
    this.#lose({ ...lost, id: null }, () => this.#visit(call.service, null, status, settle));
    if (parentId === undefined) this.#cut(null, () => next(UNANSWERED));
  }

  #findClient({ id }: Place, call: GraphCall, attempt: number): SeenSpan | undefined {
    if (id === null) return undefined;
    return this.#view
      .childrenOf(id)
      .find(
        (span) =>
          span.kind === "CLIENT" &&
          span.remote === call.service &&
          !this.#used.has(span) &&
          (span.attempt === null || span.attempt === attempt || call.isMadeAgain === true),
      );
  }

  #isOnlyCall({ service }: Place, call: GraphCall): boolean {
    let count = 0;
    for (const step of service.steps) for (const it of step) if (it.service === call.service) count++;
    return count === 1;
  }

  /** Ids of absent parents that can be such a span: the children of a SERVER are CLIENTs of the same service, and a CLIENT has one SERVER. */
  #fragmentsOf(kind: "CLIENT" | "SERVER", service: string): string[] {
    return [...this.#openFragments].filter((id) => {
      const children = this.#fragments.get(id) ?? [];
      if (kind === "CLIENT" && children.length !== 1) return false;
      return children.every((child) => child.kind !== kind && child.serviceName === service);
    });
  }

  #use(span: SeenSpan, next: () => void): void {
    this.#used.add(span);
    next();
    this.#used.delete(span);
  }

  #lose(span: MissingSpan, next: () => void): void {
    if (this.#missing.length + this.#used.size >= this.#ledger.count) return;
    if (span.id !== null) this.#openFragments.delete(span.id);
    this.#missing.push(span);
    const room = this.#ledger.count - this.#missing.length - this.#used.size;
    const isHopeless = this.#ledger.unknown === 0 && room < this.#openFragments.size;
    if (!isHopeless) next();
    this.#missing.pop();
    if (span.id !== null) this.#openFragments.add(span.id);
  }

  /** Leaves out a call that no ledger covers. `id` is the id of its CLIENT span, if known. */
  #cut(id: string | null, next: () => void): void {
    if (this.#cuts >= this.#ledger.unknown) return;
    const below = id === null ? NONE : this.#view.below(id);
    this.#cuts++;
    for (const span of below) this.#outside.add(span);
    next();
    for (const span of below) this.#outside.delete(span);
    this.#cuts--;
  }

  #step(): boolean {
    if (this.proof !== null) return false;
    if (++this.#steps > MAX_STEPS || this.solutions.size > MAX_SOLUTIONS) this.isExhausted = true;
    return !this.isExhausted;
  }

  #conclude(): void {
    if (!this.#step()) return;
    if (this.#used.size + this.#missing.length !== this.#ledger.count) return;
    // No ledger covers what is below an unanswered call; every other span must have its place.
    const isPlaced = (span: SeenSpan) => this.#used.has(span) || this.#outside.has(span);
    if (this.#openFragments.size > 0 || !this.#view.ours.every(isPlaced)) return;
    const missing = [...this.#missing];
    if (this.#ledger.unknown === 0 && missing.every(isNamed)) {
      const digest = missing.map(digestOf).reduce(xor, this.#residual);
      if (isZero(digest)) this.proof = missing;
      return;
    }
    this.solutions.set(missing.map(keyOf).sort().join("\n"), missing);
  }
}

const NONE: ReadonlySet<SeenSpan> = new Set();
const NOBODY: ReadonlySet<string> = new Set();

/** Stand-ins for the status of a call that has none. */
const NOT_CALLED = 0;
const UNANSWERED = 599;

function withStatus(next: Next<number>): Next<number | null> {
  return (status) => next(status ?? 200);
}

/** Statuses that a service may answer without making calls: the refusals of any link, and its own error rules. */
function ownErrors({ ownErrors: own }: GraphService, status: number | null): readonly number[] {
  if (status === null) return own;
  return own.includes(status) || [400, 404, 405].includes(status) ? [status] : [];
}

function isNamed({ id, parentId }: MissingSpan): boolean {
  return id !== null && parentId !== undefined;
}

function digestOf({ id, parentId, kind, link }: MissingSpan): Digest {
  return ledgerOfSpan({ id: id ?? "", parentId: parentId ?? null, kind, serviceName: link ?? "" });
}
