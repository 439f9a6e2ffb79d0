import { isRecord } from "../../lib/record.ts";
import { type Ledger, parseLedger } from "../../trace/ledger.ts";
import type { LinkInstance } from "./counters.ts";

/** A trace whose visits are asked for. */
export interface Question {
  /** The low half of the trace id. */
  readonly traceLow: string;
  /** Spans that visits may have named as parent, with the service that was called, lower case; `null`: any. */
  readonly parents: ReadonlyMap<string, string | null>;
  /** When the request began, in milliseconds since 1970 on the clock of whoever saw it. */
  readonly sinceMs: number;
}

/** One visit of a link. */
export interface LinkVisit {
  /** The span that it named as parent; `null` where it is none of those that were asked for. */
  readonly parent: string | null;
  /** Of the spans that the link recorded itself. */
  readonly ledger: Ledger;
  /** The link that was visited, lower case; `null` where its instance does not say. */
  readonly service: string | null;
  /** It named such a span as parent, but belongs to another trace: its spans are no part of the one that was asked for. */
  readonly isElsewhere: boolean;
}

/** `silent`: one of them does not answer at the moment. */
export type Memory = "whole" | "silent" | "forgotten";

/** What links remember of a trace. */
export interface Remembered {
  readonly visits: readonly LinkVisit[];
  /** Some visit has not ended. */
  readonly isPending: boolean;
  /** Whether the links of the service remember all of their visits since the request began; `null`: all links. */
  memoryOf(service: string | null): Memory;
  /** Whether a link of the service may have been visited in another process than the one that answered. */
  isShared(service: string | null): boolean;
  /** Whether a link of the service may have been visited without a context, and begun a trace of its own. */
  mayHaveBegun(service: string | null): boolean;
}

/** As many ids as a link takes at a time. */
const IDS_PER_QUERY = 200;
const TIMEOUT_MS = 5000;
/** The clocks of two machines differ by less. */
const CLOCK_MARGIN_MS = 1000;
const LOOPBACK = /^https?:\/\/(127\.|localhost[:/]|\[::1\])/;

interface Answer {
  readonly log: string;
  readonly startedMs: number;
  /** Since when no visit is forgotten. */
  readonly coveredSinceMs: number;
  /** When a visit last began a trace of its own; infinitely long ago where none did. */
  readonly lastBegunMs: number;
  readonly visits: readonly ToldVisit[];
  readonly pending: ReadonlySet<string>;
}

interface ToldVisit extends Pick<LinkVisit, "parent" | "ledger"> {
  readonly number: number;
  readonly trace: string | null;
}

interface Known {
  readonly instance: LinkInstance;
  /** When it was first missed, in milliseconds since 1970; `null` for one that is there. */
  readonly goneMs: number | null;
}

/** An instance, and its answers to as many queries as it took; `null` where one was not answered. */
interface Asked extends Known {
  readonly answers: readonly Answer[] | null;
}

/**
 * Asks links what they recorded for visits whose answers reached nobody: calls that timed out, that a gateway answered by itself, or
 * whose answers lost their ledger. Links remember their latest visits for this (link/visit-log.ts).
 */
export class Inquiry {
  readonly #findInstances: () => Promise<readonly LinkInstance[]>;
  /** All that there ever were, by their ids: one that is gone has taken its memory with it. */
  readonly #known = new Map<string, Known>();

  /** @param findInstances All links that there are */
  constructor(findInstances: () => Promise<readonly LinkInstance[]>) {
    this.#findInstances = findInstances;
  }

  /** Notes which links there are, so that it is noticed when one of them goes. */
  async lookAround(): Promise<void> {
    const found = await this.#findInstances().catch(() => null);
    if (found === null) return;
    const present = new Map(found.map((instance) => [instance.id, instance]));
    for (const [id, instance] of present) this.#known.set(id, { instance, goneMs: null });
    for (const [id, { instance, goneMs }] of this.#known)
      if (!present.has(id)) this.#known.set(id, { instance, goneMs: goneMs ?? Date.now() });
  }

  /** What is remembered of each trace, in the order of the questions. */
  async ask(questions: readonly Question[]): Promise<Remembered[]> {
    await this.lookAround();
    const asked = await Promise.all(
      [...this.#known.values()].map(async ({ instance, goneMs }): Promise<Asked> => {
        if (goneMs !== null) return { instance, goneMs, answers: null };
        const ids = new Set(questions.flatMap((question) => idsFor(question, instance)));
        return { instance, goneMs, answers: await askInstance(instance, [...ids]) };
      }),
    );
    return questions.map((question) => combine(question, asked));
  }
}

/** Only links of the service are asked for who named a span as parent: a trace may have as many spans as there are links. */
function idsFor({ traceLow, parents }: Question, instance: LinkInstance): string[] {
  const called = [...parents].filter(([, service]) => isOf(instance, service)).map(([id]) => id);
  return [traceLow, ...called];
}

/** An instance that does not say which link it is may be any. */
function isOf({ link }: LinkInstance, service: string | null): boolean {
  return service === null || link === null || link.toLowerCase() === service;
}

function combine({ traceLow, parents, sinceMs }: Question, asked: readonly Asked[]): Remembered {
  // One link may have several URLs, and a visit may have been found by either of its ids.
  const visits = new Map<string, LinkVisit>();
  let isPending = false;
  for (const { instance, answers } of asked) {
    const service = instance.link?.toLowerCase() ?? null;
    for (const { log, visits: told, pending } of answers ?? []) {
      for (const { number, trace, parent, ledger } of told) {
        const isParent = parent !== null && parents.has(parent);
        if (trace !== traceLow && !isParent) continue;
        const key = `${log} ${number}`;
        const known = visits.get(key);
        visits.set(key, {
          parent: isParent ? parent : (known?.parent ?? null),
          ledger,
          service: service ?? known?.service ?? null,
          isElsewhere: trace !== traceLow && (known?.isElsewhere ?? true),
        });
      }
      isPending ||= pending.has(traceLow) || [...parents.keys()].some((id) => pending.has(id));
    }
  }
  const linksOf = (service: string | null) => asked.filter(({ instance }) => isOf(instance, service));
  // A link that was started since has forgotten what it was before.
  const hasForgotten = ({ instance, goneMs, answers }: Asked) =>
    (goneMs !== null && goneMs > sinceMs - CLOCK_MARGIN_MS) ||
    (answers ?? []).some(
      ({ startedMs, coveredSinceMs }) =>
        startedMs > sinceMs - startMarginMs(instance) || coveredSinceMs > sinceMs - CLOCK_MARGIN_MS,
    );
  const hasBegun = ({ answers }: Asked) =>
    (answers ?? []).some(({ lastBegunMs }) => lastBegunMs > sinceMs - CLOCK_MARGIN_MS);
  return {
    visits: [...visits.values()],
    isPending,
    memoryOf: (service) => {
      const links = linksOf(service);
      if (links.length === 0 || links.some(hasForgotten)) return "forgotten";
      return links.every(({ answers, goneMs }) => answers !== null || goneMs !== null) ? "whole" : "silent";
    },
    isShared: (service) => linksOf(service).some(({ instance }) => instance.isShared === true),
    mayHaveBegun: (service) => linksOf(service).some(hasBegun),
  };
}

/**
 * How far the clock of a link may be behind that of whoever saw the request. A link on this machine has the same clock, and was
 * often started a moment before the first request.
 */
function startMarginMs({ url, fetch: through }: LinkInstance): number {
  return through === undefined && LOOPBACK.test(url) ? 0 : CLOCK_MARGIN_MS;
}

async function askInstance(
  instance: LinkInstance,
  ids: readonly string[],
): Promise<readonly Answer[] | null> {
  const answers: Answer[] = [];
  for (let from = 0; from < ids.length; from += IDS_PER_QUERY) {
    const answer = await askOnce(instance, ids.slice(from, from + IDS_PER_QUERY));
    if (answer === null) return null;
    answers.push(answer);
  }
  return answers;
}

async function askOnce(
  { url, fetch: through = fetch }: LinkInstance,
  ids: readonly string[],
): Promise<Answer | null> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await through(`${url}/ledger?ids=${ids.join(",")}`, { signal });
    return response.ok ? parseAnswer(await response.json()) : null;
  } catch {
    return null;
  }
}

/** `null` for what is no answer of a link. */
function parseAnswer(content: unknown): Answer | null {
  if (!isRecord(content) || !Array.isArray(content.visits)) return null;
  const { log, startedMs, coveredSinceMs, lastBegunMs, pending } = content;
  if (typeof log !== "string" || typeof startedMs !== "number" || !Array.isArray(pending)) return null;
  const visits = content.visits.map(parseVisit);
  if (!visits.every((visit) => visit !== null)) return null;
  return {
    log,
    startedMs,
    coveredSinceMs: typeof coveredSinceMs === "number" ? coveredSinceMs : Number.NEGATIVE_INFINITY,
    lastBegunMs: typeof lastBegunMs === "number" ? lastBegunMs : Number.NEGATIVE_INFINITY,
    visits,
    pending: new Set(pending.map(String)),
  };
}

function parseVisit(content: unknown): ToldVisit | null {
  if (!isRecord(content)) return null;
  const { number, trace, parent } = content;
  const ledger = parseLedger(String(content.ledger));
  if (typeof number !== "number" || ledger === null) return null;
  const idOf = (it: unknown) => (typeof it === "string" ? it : null);
  return { number, trace: idOf(trace), parent: idOf(parent), ledger };
}
