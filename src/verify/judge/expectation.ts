import type { Expected, Platform, PlatformRow } from "../../contract/platform.ts";
import { parsePercentage } from "../../lib/percentage.ts";
import { formatShare } from "../../lib/share.ts";

/** One expectation of the platform's spans. docs/verify-your-mesh.md has the grammar. */
export interface Expectation {
  /** The expectation as the user wrote it. */
  readonly text: string;
  /** Name of a service or recorder, in lower case. */
  readonly service: string;
  readonly least: number;
  /** `Infinity`: any number. */
  readonly most: number;
  /** `null` for every call between links, `>` for the entry, or as in {@link PlatformRow.edge}. */
  readonly edge: string | null;
  /** Share of the calls that must satisfy it, 0 to 1. */
  readonly share: number;
}

/** The error for an invalid expectation. `at` is the position, counted from 1. */
export class ExpectationError extends Error {
  constructor(
    readonly at: number,
    readonly expected: string,
  ) {
    super(`expected ${expected} at character ${at}`);
  }
}

interface Word {
  readonly text: string;
  readonly at: number;
}

const PLACES = "'on every edge', 'on A > B', 'at the entry' or 'in SERVICE'";

/**
 *     SERVICE: COUNT span(s) PLACE [in PERCENT]
 *
 * @throws {ExpectationError}
 */
export function parseExpectation(text: string): Expectation {
  const colon = text.search(/:\s/);
  const service = text.slice(0, Math.max(0, colon)).trim();
  if (service === "") throw new ExpectationError(1, "SERVICE: such as 'envoy: 1 span on every edge'");
  const words = new Words(text, colon + 1);
  const [least, most] = readCount(words);
  words.take(/^spans?$/, "'span' or 'spans'");
  const edge = readPlace(words);
  let share = 1;
  if (!words.isAtEnd) {
    words.take(/^in$/, "'in PERCENT', or nothing more");
    const { text: percent, at } = words.take(/./, "a share such as 100%");
    const isApart = words.next === "%";
    if (isApart) words.take(/^%$/, "%");
    const found = parsePercentage(isApart ? `${percent}%` : percent);
    if (found === undefined) throw new ExpectationError(at, "a share such as 100%");
    share = found;
  }
  words.end();
  return { text, service: service.toLowerCase(), least, most, edge, share };
}

class Words {
  readonly #words: readonly Word[];
  readonly #endAt: number;
  #next = 0;

  constructor(text: string, from: number) {
    this.#words = Array.from(text.slice(from).matchAll(/\S+/g), (match) => ({
      text: match[0],
      at: from + match.index + 1,
    }));
    this.#endAt = text.trimEnd().length + 1;
  }

  get next(): string | null {
    return this.#words[this.#next]?.text ?? null;
  }

  get isAtEnd(): boolean {
    return this.next === null;
  }

  take(pattern: RegExp, expected: string): Word {
    const word = this.#words[this.#next];
    if (word === undefined || !pattern.test(word.text))
      throw new ExpectationError(word?.at ?? this.#endAt, expected);
    this.#next++;
    return word;
  }

  end(): void {
    const word = this.#words[this.#next];
    if (word !== undefined) throw new ExpectationError(word.at, "nothing more");
  }
}

const NUMBER = /^\d{1,6}$/;

function readCount(words: Words): [least: number, most: number] {
  const number = () => Number(words.take(NUMBER, "a number").text);
  if (words.next === "no") {
    words.take(/./, "");
    return [0, 0];
  }
  if (words.next === "at") {
    words.take(/./, "");
    const { text } = words.take(/^(?:least|most)$/, "'least' or 'most'");
    return text === "least" ? [number(), Number.POSITIVE_INFINITY] : [0, number()];
  }
  const first = Number(words.take(NUMBER, "a number, 'no', 'at least N' or 'at most N'").text);
  if (words.next !== "to") return [first, first];
  words.take(/./, "");
  const { text, at } = words.take(NUMBER, "a number");
  if (Number(text) < first) throw new ExpectationError(at, `a number of at least ${first}`);
  return [first, Number(text)];
}

function readPlace(words: Words): string | null {
  const { text: preposition } = words.take(/^(?:on|at|in)$/, PLACES);
  if (preposition === "at") {
    words.take(/^the$/, PLACES);
    words.take(/^entry$/, PLACES);
    return ">";
  }
  const name = words
    .take(NAME, preposition === "in" ? "a service" : "'every edge', or A > B")
    .text.toLowerCase();
  if (preposition === "in") return `in ${name}`;
  if (name === "every" && words.next === "edge") {
    words.take(/./, "");
    return null;
  }
  words.take(/^>$/, "'>'");
  return `${name} > ${words.take(NAME, "a service").text.toLowerCase()}`;
}

const NAME = /^[^>]+$/;

/** Compares an expectation with what the platform recorded. */
export function checkExpectation(expectation: Expectation, { rows, calls }: Platform): Expected {
  const { text, edge, share } = expectation;
  const of = rows.filter((row) => isMeant(expectation, row));
  const edges = Object.keys(calls).filter((it) => isAt(edge, it));
  if (edges.length === 0) {
    const found = `no call ${edge === null ? "between links" : edge === ">" ? "of the entry" : `${edge}`} was seen`;
    return { expectation: text, outcome: "could-not-tell", found };
  }
  const checked = edges.map((it) => {
    const counts = countsAt(
      of.filter((row) => row.edge === it),
      calls[it] ?? 0,
    );
    const good = counts.reduce(
      (sum, [count, number]) => sum + (count >= expectation.least && count <= expectation.most ? number : 0),
      0,
    );
    return { isMet: good >= (calls[it] ?? 0) * share, found: describe(it, counts, calls[it] ?? 0) };
  });
  const failed = checked.filter(({ isMet }) => !isMet);
  return {
    expectation: text,
    outcome: failed.length === 0 ? "met" : "not-met",
    found: (failed.length === 0 ? checked : failed).map(({ found }) => found).join("; "),
  };
}

function isMeant({ service }: Expectation, row: PlatformRow): boolean {
  return row.service === service || row.recorder?.toLowerCase() === service;
}

function isAt(edge: string | null, at: string): boolean {
  if (edge === null) return !at.startsWith("in ") && !at.startsWith("> ");
  return edge === ">" ? at.startsWith("> ") : at === edge;
}

/**
 * Counts calls by their number of spans. Calls of several rows at one place cannot be matched, so each row
 * is checked separately.
 */
function countsAt(rows: readonly PlatformRow[], calls: number): [count: number, calls: number][] {
  const [only] = rows;
  if (only === undefined) return [[0, calls]];
  return rows.flatMap(({ callsBySpans }) =>
    Object.entries(callsBySpans).map(([count, number]): [number, number] => [Number(count), number]),
  );
}

function describe(edge: string, counts: readonly (readonly [number, number])[], calls: number): string {
  const parts = counts.map(
    ([count, number]) => `${count} ${count === 1 ? "span" : "spans"} in ${formatShare(number / calls)}`,
  );
  return `${edge}: ${parts.join(", ")}`;
}
