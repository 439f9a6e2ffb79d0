import { UserError } from "../lib/errors.ts";

/** A step into a document: the key of a mapping or the index of a list item. */
export type PathKey = string | number;

/** One problem in a document. */
export interface Problem {
  readonly path: readonly PathKey[];
  /** What the document should hold at `path`. */
  readonly expected: string;
  /** What the document holds instead. */
  readonly found: string;
  /** Points to the key instead of its value. @default false */
  readonly atKey?: boolean;
  /** The known key or name that was probably meant. */
  readonly nearest?: string | undefined;
}

/** A problem with its place in the source; line and column start at 1. */
export interface PlacedProblem extends Problem {
  readonly line: number;
  readonly column: number;
}

/** A message lists this many problems and counts the rest. */
export const MAX_LISTED = 50;

/** Reports all problems of a document at once. */
export class TopologyError extends UserError {
  readonly problems: readonly PlacedProblem[];

  constructor(source: string, problems: readonly PlacedProblem[]) {
    const sorted = [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
    const lines = sorted.slice(0, MAX_LISTED).map((problem) => `  ${describeProblem(source, problem)}`);
    if (sorted.length > MAX_LISTED) lines.push(`  … and ${sorted.length - MAX_LISTED} more`);
    const count = sorted.length === 1 ? "1 problem" : `${sorted.length} problems`;
    super("topology-invalid", `${source} has ${count}:\n${lines.join("\n")}`);
    this.problems = sorted;
  }
}

function describeProblem(source: string, problem: PlacedProblem): string {
  const where = `${source}:${problem.line}:${problem.column}`;
  const path = problem.path.length === 0 ? "" : `${formatPath(problem.path)}: `;
  const nearest = problem.nearest === undefined ? "" : ` (did you mean ${JSON.stringify(problem.nearest)}?)`;
  return `${where}: ${path}expected ${problem.expected}, found ${problem.found}${nearest}`;
}

/** A path as people write it: `services.frontend.calls[1].timeout`. */
export function formatPath(path: readonly PathKey[]): string {
  return path
    .map((key) =>
      typeof key === "number" ? `[${key}]` : /^[\w-]+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`,
    )
    .join("")
    .replace(/^\./, "");
}

/** A short rendering of any value, for "found …". */
export function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value) && value.length === 0) return "an empty list";
  if (value !== null && typeof value === "object" && Object.keys(value).length === 0)
    return "an empty mapping";
  const text = renderStart(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE - 3)}…` : text;
}

const LONGEST_VALUE = 60;

/**
 * The beginning of a value's JSON, cut after about `room` characters. YAML anchors can make a value that contains
 * itself, or one whose JSON would be practically endless.
 */
function renderStart(value: unknown, room = LONGEST_VALUE): string {
  if (value === null || typeof value !== "object") return String(JSON.stringify(value));
  const isList = Array.isArray(value);
  let text = isList ? "[" : "{";
  for (const key of Object.keys(value)) {
    if (text.length > 1) text += ",";
    if (!isList) text += `${JSON.stringify(key)}:`;
    // Every level uses up at least one character (its bracket), so the recursion ends.
    if (text.length <= room) text += renderStart((value as Record<string, unknown>)[key], room - text.length);
    if (text.length > room) return text;
  }
  return text + (isList ? "]" : "}");
}
