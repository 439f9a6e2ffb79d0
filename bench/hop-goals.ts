import { renderTable } from "./page.ts";
import { median } from "./process.ts";
import type { Turn, Turns } from "./turns.ts";

/** A ratio of two chains at a number of connections, and its goal. */
interface Goal {
  readonly what: keyof Turn;
  readonly of: string;
  readonly to: string;
  readonly connections: number;
  readonly bound: readonly ["at most" | "at least", number];
}

export const TRACED = "traced 100 %";
const FLOOR = "raw sockets";
const UNTRACED = "untraced";
const LABELS: Readonly<Partial<Record<keyof Turn, string>>> = {
  hopMicros: "CPU per hop",
  requestsPerSecond: "requests/s",
  p99Ms: "p99",
};

const COUNTS = [1, 16, 64];
const GOALS: readonly Goal[] = [
  ...COUNTS.map((connections) => atMost("hopMicros", FLOOR, connections, 1.25)),
  ...COUNTS.map((connections) => atMost("hopMicros", UNTRACED, connections, 1.1)),
  atMost("hopMicros", "fake-service traced", 16, 1 / 15),
  atMost("hopMicros", "isotope untraced", 16, 1 / 4),
  atMost("hopMicros", "fortio untraced", 16, 1 / 8),
  atMost("hopMicros", "podinfo with OTel", 16, 1 / 20),
  atLeast("requestsPerSecond", "fake-service traced", 16, 13),
  atLeast("requestsPerSecond", "isotope untraced", 16, 3.4),
  atLeast("requestsPerSecond", "podinfo with OTel", 16, 16),
  atLeast("requestsPerSecond", "fortio untraced", 16, 6),
  atMost("p99Ms", "isotope untraced", 16, 0.5),
];
const MEMORY_BYTES = 45e6;

/** A row of the table of goals. */
export type GoalRow = readonly [
  what: string,
  connections: string,
  found: string,
  goal: string,
  verdict: string,
];

/**
 * Renders a table of the goals whose chains were measured.
 * @param others rows of other measurements
 */
export function judgeGoals(turns: ReadonlyMap<string, Turns>, others: readonly GoalRow[]): string[] {
  const rows: GoalRow[] = GOALS.flatMap((goal) => {
    const ratio = ratioOf(turns, goal);
    return ratio === null ? [] : [renderGoal(goal, ratio)];
  });
  const memory = [...(turns.get(TRACED)?.values() ?? [])].flat().map(({ memoryBytes }) => memoryBytes);
  if (memory.length > 0) {
    const most = Math.max(...memory);
    rows.push([
      `MB per link, ${TRACED}`,
      "",
      (most / 1e6).toFixed(0),
      `at most ${MEMORY_BYTES / 1e6}`,
      verdict(most <= MEMORY_BYTES),
    ]);
  }
  return renderTable(["ratio", "c", "found", "goal", ""], [...rows, ...others]);
}

function ratioOf(turns: ReadonlyMap<string, Turns>, { what, of, to, connections }: Goal): number | null {
  const ours = turns.get(of)?.get(connections);
  const theirs = turns.get(to)?.get(connections);
  if (ours === undefined || theirs === undefined) return null;
  return median(ours.map((turn, round) => turn[what] / (theirs[round]?.[what] ?? Number.NaN)));
}

function renderGoal({ what, of, to, connections, bound: [side, bound] }: Goal, ratio: number): GoalRow {
  const isMet = side === "at most" ? ratio <= bound : ratio >= bound;
  const [found, goal] =
    bound < 0.5
      ? [`1/${(1 / ratio).toFixed(1)}`, `1/${Math.round(1 / bound)}`]
      : [ratio.toFixed(2), `${bound}`];
  return [`${LABELS[what]}, ${of} / ${to}`, String(connections), found, `${side} ${goal}`, verdict(isMet)];
}

/** Returns the row of a value with an upper bound, at a number of connections if the value depends on it. */
export function judgeAtMost(what: string, found: number, bound: number, connections?: number): GoalRow {
  return [what, String(connections ?? ""), found.toFixed(2), `at most ${bound}`, verdict(found <= bound)];
}

function verdict(isMet: boolean): string {
  return isMet ? "met" : "MISSED";
}

function atMost(what: keyof Turn, to: string, connections: number, bound: number): Goal {
  return { what, of: TRACED, to, connections, bound: ["at most", bound] };
}

function atLeast(what: keyof Turn, to: string, connections: number, bound: number): Goal {
  return { what, of: TRACED, to, connections, bound: ["at least", bound] };
}
