import { isRecord } from "../lib/record.ts";
import { addLedger, EMPTY_LEDGER, type Ledger, parseLedger } from "../trace/ledger.ts";
import type { LinkInstance } from "./counters.ts";

/** A visit that is asked for. */
export interface Question {
  /** The span id that the visit named as parent. */
  readonly parentId: string;
  /** The service that was called, lower case; `null`: any. */
  readonly service: string | null;
  /** When the call began, in milliseconds since 1970 on the clock of whoever made it. */
  readonly sinceMs: number;
}

/** What is known of a visit: the spans that its link recorded itself, for each time that it was visited; empty for never. */
export type Visits = readonly Ledger[];

/** Why it is not known. `later`: the visit has not ended. `never`: nobody can tell any more. */
export type NoVisits = "later" | "never";

/** As many ids as a link takes at a time. */
const IDS_PER_QUERY = 200;
const TIMEOUT_MS = 5000;
/** Clocks of machines differ by less. */
const CLOCK_MARGIN_MS = 1000;

interface Answer {
  readonly log: string;
  readonly startedMs: number;
  /** Since when no visit is forgotten. */
  readonly coveredSinceMs: number;
  /** When a visit last began a trace of its own; infinitely long ago where none did. */
  readonly lastBegunMs: number;
  /** Other processes may have been visited at its address. */
  readonly isShared: boolean;
  readonly visits: ReadonlyMap<string, readonly Ledger[]>;
  readonly pending: ReadonlySet<string>;
}

/**
 * Asks links what they recorded for visits whose answers reached nobody: calls that timed out, that a gateway answered by itself, or
 * whose answers lost their ledger. Links remember their latest visits for this (link/visit-log.ts).
 */
export class Inquiry {
  readonly #findInstances: () => Promise<readonly LinkInstance[]>;

  /** @param findInstances All links */
  constructor(findInstances: () => Promise<readonly LinkInstance[]>) {
    this.#findInstances = findInstances;
  }

  /** The visits of each question, by its parent id. */
  async ask(questions: readonly Question[]): Promise<ReadonlyMap<string, Visits | NoVisits>> {
    const instances = await this.#findInstances().catch(() => []);
    const asked = instances.map((instance) => ({
      instance,
      questions: questions.filter(
        ({ service }) => service === null || (instance.link?.toLowerCase() ?? service) === service,
      ),
    }));
    const answers = await Promise.all(
      asked.map(async (it) => ({ ...it, answers: await askInstance(it.instance, it.questions) })),
    );
    return new Map(
      questions.map((question) => [
        question.parentId,
        combine(
          question,
          answers.filter((it) => it.questions.includes(question)).map((it) => it.answers),
        ),
      ]),
    );
  }
}

/** `null` where one of them does not answer. */
function combine(question: Question, instances: readonly (readonly Answer[] | null)[]): Visits | NoVisits {
  if (instances.length === 0) return "never";
  const found: Ledger[] = [];
  const logs = new Set<string>();
  let isPending = false;
  let isHidden = false;
  const { sinceMs } = question;
  for (const answers of instances) {
    const answer = answers?.find(({ visits }) => visits.has(question.parentId));
    // A link that was started since has forgotten what it was before.
    if (answer === undefined) return "never";
    if (answer.startedMs > sinceMs || answer.coveredSinceMs > sinceMs - CLOCK_MARGIN_MS) return "never";
    // The visit may have been another process's, or have lost the context that would tell whose it was.
    isHidden ||= answer.isShared || answer.lastBegunMs > sinceMs - CLOCK_MARGIN_MS;
    if (answer.pending.has(question.parentId)) isPending = true;
    if (logs.has(answer.log)) continue;
    logs.add(answer.log);
    found.push(...(answer.visits.get(question.parentId) ?? []));
  }
  if (isPending) return "later";
  return found.length === 0 && isHidden ? "never" : found;
}

async function askInstance(
  instance: LinkInstance,
  questions: readonly Question[],
): Promise<readonly Answer[] | null> {
  const ids = [...new Set(questions.map(({ parentId }) => parentId))];
  const answers: Answer[] = [];
  for (let from = 0; from < ids.length; from += IDS_PER_QUERY) {
    const answer = await askOnce(instance, ids.slice(from, from + IDS_PER_QUERY));
    if (answer === null) return null;
    answers.push(answer);
  }
  return answers;
}

async function askOnce(
  { url, fetch: through = fetch, isShared = false }: LinkInstance,
  ids: readonly string[],
): Promise<Answer | null> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await through(`${url}/ledger?parents=${ids.join(",")}`, { signal });
    return response.ok ? parseAnswer(await response.json(), ids, isShared) : null;
  } catch {
    return null;
  }
}

/** `null` for what is no answer of a link. */
function parseAnswer(content: unknown, ids: readonly string[], isShared: boolean): Answer | null {
  if (!isRecord(content) || !isRecord(content.visits)) return null;
  const { log, startedMs, coveredSinceMs, lastBegunMs, pending } = content;
  if (typeof log !== "string" || typeof startedMs !== "number" || !Array.isArray(pending)) return null;
  const visits = new Map<string, readonly Ledger[]>();
  for (const id of ids) {
    const texts = content.visits[id];
    if (!Array.isArray(texts)) return null;
    const ledgers = texts.map((text) => parseLedger(String(text)));
    if (!ledgers.every((ledger) => ledger !== null)) return null;
    visits.set(id, ledgers);
  }
  return {
    log,
    startedMs,
    coveredSinceMs: typeof coveredSinceMs === "number" ? coveredSinceMs : Number.NEGATIVE_INFINITY,
    lastBegunMs: typeof lastBegunMs === "number" ? lastBegunMs : Number.NEGATIVE_INFINITY,
    isShared,
    visits,
    pending: new Set(pending.map(String)),
  };
}

/** The ledger of visits together. */
export function sumOf(visits: Iterable<Ledger>): Ledger {
  let sum = EMPTY_LEDGER;
  for (const ledger of visits) sum = addLedger(sum, ledger);
  return sum;
}
