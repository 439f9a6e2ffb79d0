import { renderTable } from "./page.ts";

export type VariantName = "deploy" | "kubectl" | "helm";

export interface Measurement {
  readonly site: string;
  readonly phase: "first" | "again";
  readonly name: VariantName;
  readonly wallMs: number;
  /** CPU time of the client alone. */
  readonly cpuMs: number;
  readonly peakBytes: number;
  /** `null` if the program does not report it. */
  readonly requests: number | null;
}

const MAX_BYTES = 120e6;
const MAX_REQUESTS = 20;
const AGAIN = 0.1;

/** Maximum ratio of a first deploy to another program, in wall time or CPU time. */
const FIRST: readonly (readonly [site: RegExp, of: VariantName, what: "wallMs" | "cpuMs", goal: number])[] = [
  [/away/, "kubectl", "wallMs", 0.6],
  [/away/, "helm", "wallMs", 0.5],
  [/loopback/, "kubectl", "wallMs", 1],
  [/loopback/, "helm", "wallMs", 1],
  [/loopback/, "helm", "cpuMs", 0.1],
];

export function renderDeploys(measured: readonly Measurement[]): string[] {
  return renderTable(
    ["API server", "deploy", "program", "s", "CPU s", "MB", "requests"],
    measured.map(({ site, phase, name, wallMs, cpuMs, peakBytes, requests }) => [
      site,
      phase,
      name,
      (wallMs / 1000).toFixed(2),
      (cpuMs / 1000).toFixed(2),
      (peakBytes / 1e6).toFixed(0),
      requests === null ? "" : String(requests),
    ]),
  );
}

/**
 * Compares each measured goal with its result.
 * @param changed number of objects that were sent after one link changed
 */
export function judgeDeploys(measured: readonly Measurement[], changed: number | null): string[] {
  const rows: string[][] = [];
  const judge = (what: string, found: number, goal: number, digits = 2) =>
    rows.push([what, found.toFixed(digits), `at most ${goal}`, found <= goal ? "met" : "MISSED"]);
  const find = (site: string, phase: Measurement["phase"], name: VariantName) =>
    measured.find((it) => it.site === site && it.phase === phase && it.name === name);
  for (const site of new Set(measured.map((it) => it.site))) {
    const first = find(site, "first", "deploy");
    for (const [where, of, what, goal] of FIRST) {
      const other = find(site, "first", of);
      if (first === undefined || other === undefined || !where.test(site)) continue;
      judge(`first, ${site}: ${what === "cpuMs" ? "CPU" : "wall"} / ${of}`, first[what] / other[what], goal);
    }
    const again = find(site, "again", "deploy");
    const others = [find(site, "again", "kubectl"), find(site, "again", "helm")].filter(
      (it) => it !== undefined,
    );
    if (again === undefined || others.length === 0) continue;
    const best = Math.min(...others.map(({ wallMs }) => wallMs));
    judge(`again, ${site}: wall / the better of the others`, again.wallMs / best, AGAIN);
    judge(`again, ${site}: requests`, again.requests ?? Number.NaN, MAX_REQUESTS, 0);
  }
  const own = measured.filter(({ name }) => name === "deploy").map(({ peakBytes }) => peakBytes);
  if (own.length > 0) judge("peak MB", Math.max(...own) / 1e6, MAX_BYTES / 1e6, 0);
  if (changed !== null) judge("one link changed: objects sent", changed, 1, 0);
  return renderTable(["goal", "found", "asked", ""], rows);
}
