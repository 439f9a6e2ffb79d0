import type { Ledger } from "../../trace/ledger.ts";
import type { CallGraph, GraphCall, GraphService } from "./call-graph.ts";
import { type Digest, isZero, ledgerOfSpan, xor } from "./digest.ts";
import type { SeenSpan } from "./seen-span.ts";
import { isCut, type TraceView } from "./trace-view.ts";
import type { Edge, MissingSpan } from "./verdict.ts";

/** Steps of the search; a trace with many losses that could be anything is given up. */
const MAX_STEPS = 100_000;
const MAX_SOLUTIONS = 256;

/** Missing spans that are alike have the same. */
export function keyOf({ link, kind, edge, id }: MissingSpan): string {
  return `${kind} ${link} ${edge?.from}>${edge?.to} ${id}`;
}

type Next<T> = (value: T) => void;

/** After a step with a failed call no further step is begun, but for calls that were seen to be made all the same. */
interface Failed {
  readonly status: number;
  readonly despite: ReadonlySet<string>;
}

/** Where the children of a SERVER are to be found: below its id, or nowhere as nothing names it. */
interface Place {
  readonly id: string | null;
  readonly service: GraphService;
}

/**
 * Walks the calls that a request makes, one after the other, and tries at each place what may have happened: the span is
 * there, it is missing but named by a child, it is missing altogether. Written so that each choice calls what comes
 * next, and takes itself back afterwards.
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
  /** Below calls of which nobody has an account. */
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

  /** A SERVER span that is there. */
  #serve(name: string, span: SeenSpan, answered: number | null, next: Next<number | null>): void {
    this.#use(span, () => this.#visit(name, span.id, span.status ?? answered, next));
  }

  /** What a SERVER does, known by its id or not at all; `status` is what it answered, if that is known. */
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

  /** `failed`: a step before has, with this status, and these may be called all the same. */
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
      // Where a callee is called once and its first attempt is there, nothing else can be.
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

  /** What is below a CLIENT that is there. */
  #below(client: SeenSpan, call: GraphCall, edge: Edge, next: Next<number>): void {
    if (this.#reached?.has(client.id) === false) {
      next(client.status ?? UNANSWERED);
      return;
    }
    // Without the word of the links the ledger knows nothing of what is below.
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
    // Answered, but without an account.
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

  /** Parents that are not there and that are such a span: a SERVER's children are its CLIENTs, a CLIENT's is a SERVER. */
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

  /** A call that nobody has an account of; `id`: of its CLIENT span, if that is known. */
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
    // What is below a call without an answer is in nobody's account; everything else has to have its place.
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

/** Statuses of calls that have none. */
const NOT_CALLED = 0;
const UNANSWERED = 599;

function withStatus(next: Next<number>): Next<number | null> {
  return (status) => next(status ?? 200);
}

/** What a service may have answered without calls: refusals of any link, and its own errors. */
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
