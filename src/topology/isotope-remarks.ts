import { findNearest } from "../lib/suggestion.ts";
import { describeValue, formatPath, type PathKey, type PlacedProblem, type Problem } from "./problem.ts";
import type { Source } from "./source.ts";

/** A part of an isotope document without a counterpart in a topology, and what was done about it. */
export interface Loss {
  readonly path: readonly PathKey[];
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/** Formats a loss as one line for people. */
export function describeLoss(sourceName: string, { path, line, column, text }: Loss): string {
  return `${sourceName}:${line}:${column}: ${formatPath(path)}: ${text}`;
}

/**
 * Collects problems and losses of an isotope document, each only once: the default script is read again for every
 * service that has none of its own.
 */
export class Remarks {
  readonly #source: Source;
  readonly #problems: Problem[];
  readonly #losses: { readonly problem: Problem; readonly text: string }[] = [];
  readonly #said = new Set<string>();

  constructor(source: Source) {
    this.#source = source;
    this.#problems = [...source.duplicates];
  }

  add(problem: Problem): void {
    this.#problems.push(problem);
  }

  expect(path: readonly PathKey[], expected: string, value: unknown): void {
    if (this.#isNew(path, expected)) this.add({ path, expected, found: describeValue(value) });
  }

  lose(path: readonly PathKey[], text: string, atKey = false): void {
    if (!this.#isNew(path, text)) return;
    this.#losses.push({ problem: { path, expected: "", found: "", atKey }, text });
  }

  noteUnknown(
    entry: Readonly<Record<string, unknown>>,
    path: readonly PathKey[],
    known: readonly string[],
  ): void {
    for (const key of Object.keys(entry)) {
      if (known.includes(key)) continue;
      const nearest = findNearest(key, known);
      const meant = nearest === undefined ? "" : ` (did you mean ${JSON.stringify(nearest)}?)`;
      this.lose([...path, key], `has no counterpart and is left out${meant}`, true);
    }
  }

  problems(): PlacedProblem[] {
    return this.#problems.map((problem) => this.#source.place(problem));
  }

  /** In the order of the document. */
  losses(): Loss[] {
    const losses = this.#losses.map(({ problem, text }): Loss => {
      const { line, column, path } = this.#source.place(problem);
      return { path, line, column, text };
    });
    return losses.sort((a, b) => a.line - b.line || a.column - b.column);
  }

  #isNew(path: readonly PathKey[], text: string): boolean {
    const key = [...path, text].join("\0");
    if (this.#said.has(key)) return false;
    this.#said.add(key);
    return true;
  }
}
