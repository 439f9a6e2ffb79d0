// YAML 1.2, https://yaml.org/spec/1.2.2/
import {
  constructFromEvents,
  EVENT_ID,
  type Event,
  getScalarValue,
  parseEvents,
  SCALAR_STYLE,
  YAMLException,
} from "js-yaml";
import type { PathKey, PlacedProblem, Problem } from "./problem.ts";

/** The value of a YAML (or JSON) text, and the position of each part of it. */
export interface Source {
  readonly value: unknown;
  /** Keys that occur twice in a mapping; `value` has the later one. */
  readonly duplicates: readonly Problem[];
  place(problem: Problem): PlacedProblem;
}

/** Parses YAML text, or returns the one problem that makes it unreadable. */
export function readSource(text: string): Source | PlacedProblem {
  try {
    const events = parseEvents(text, {});
    const documents = constructFromEvents(events, { source: text, json: true, maxAliases: 1000 });
    if (documents.length > 1) {
      return unreadable(1, 1, "one document", `${documents.length} documents`);
    }
    const index = new PlaceIndex(text, events);
    return {
      value: documents[0] ?? null,
      duplicates: index.duplicates,
      place: (problem) => index.place(problem),
    };
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    return unreadable(
      (error.mark?.line ?? 0) + 1,
      (error.mark?.column ?? 0) + 1,
      "YAML or JSON",
      error.reason,
    );
  }
}

function unreadable(line: number, column: number, expected: string, found: string): PlacedProblem {
  return { path: [], expected, found, line, column };
}

interface Frame {
  readonly path: readonly PathKey[];
  readonly keys: Set<string> | null;
  nextIndex: number;
  /** In a mapping: the key whose value comes next. */
  key: string | null;
}

/** Walks the event stream and records where each key and value starts, by path. */
class PlaceIndex {
  readonly duplicates: Problem[] = [];
  readonly #text: string;
  readonly #events: readonly Event[];
  #offsets: Map<string, { key: number; value: number }> | null = null;

  constructor(text: string, events: readonly Event[]) {
    this.#text = text;
    this.#events = events;
    this.#walk(() => {});
  }

  place(problem: Problem): PlacedProblem {
    if (this.#offsets === null) {
      const offsets = new Map<string, { key: number; value: number }>();
      this.duplicates.length = 0;
      this.#walk((path, key, value) => offsets.set(path.join("\0"), { key, value }));
      this.#offsets = offsets;
    }
    let path = problem.path;
    // Something missing is placed at its nearest existing ancestor.
    while (path.length > 0 && !this.#offsets.has(path.join("\0"))) path = path.slice(0, -1);
    const found = this.#offsets.get(path.join("\0"));
    const whole = path.length === problem.path.length;
    const offset = found === undefined ? 0 : problem.atKey || !whole ? found.key : found.value;
    const before = this.#text.slice(0, offset);
    const lineStart = before.lastIndexOf("\n") + 1;
    return { ...problem, line: before.split("\n").length, column: offset - lineStart + 1 };
  }

  #walk(visit: (path: readonly PathKey[], keyOffset: number, valueOffset: number) => void): void {
    const frames: (Frame | null)[] = [];
    let keyOffset = 0;
    for (const event of this.#events) {
      if (event.type === EVENT_ID.POP) {
        frames.pop();
        continue;
      }
      if (event.type === EVENT_ID.DOCUMENT) {
        frames.push(null);
        continue;
      }
      const parent = frames.at(-1) ?? null;
      const start = startOf(event);
      let path: readonly PathKey[] = [];
      if (parent !== null && parent.keys !== null && parent.key === null) {
        if (event.type !== EVENT_ID.SCALAR) {
          parent.key = "";
          if (event.type !== EVENT_ID.ALIAS)
            frames.push({ path: [...parent.path, ""], keys: null, nextIndex: 0, key: null });
          continue;
        }
        parent.key = getScalarValue(this.#text, event);
        keyOffset = start;
        if (parent.keys.has(parent.key)) {
          this.duplicates.push({
            path: [...parent.path, parent.key],
            expected: "each key once",
            found: `a second ${JSON.stringify(parent.key)}`,
            atKey: true,
          });
        }
        parent.keys.add(parent.key);
        continue;
      }
      if (parent !== null) {
        if (parent.keys !== null) {
          path = [...parent.path, parent.key ?? ""];
          parent.key = null;
        } else {
          path = [...parent.path, parent.nextIndex++];
          keyOffset = start;
        }
      }
      visit(path, keyOffset, start);
      if (event.type === EVENT_ID.MAPPING) frames.push({ path, keys: new Set(), nextIndex: 0, key: null });
      else if (event.type === EVENT_ID.SEQUENCE) frames.push({ path, keys: null, nextIndex: 0, key: null });
    }
  }
}

function startOf(event: Event): number {
  if (event.type === EVENT_ID.SCALAR) {
    const isQuoted = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED;
    return Math.max(0, event.valueStart - (isQuoted ? 1 : 0));
  }
  if ("start" in event) return event.start;
  return "anchorStart" in event ? Math.max(0, event.anchorStart) : 0;
}
