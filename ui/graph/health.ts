import type { Recent } from "../shell/live.ts";

type Health = "idle" | "well" | "ailing" | "failing";

/** How an edge is drawn. Without a number, the label is empty and only the class tells its state. */
export interface EdgeLook {
  readonly className: string;
  readonly widthPx: number;
  readonly label: string;
}

export function healthOf(live: Recent | undefined): Health {
  return live === undefined || live.perSecond === 0 ? "idle" : healthOfErrors(live.errorShare);
}

/** Health by the share of errors, for links that had requests. */
export function healthOfErrors(share: number): Health {
  if (share >= 0.05) return "failing";
  return share > 0 ? "ailing" : "well";
}

/** Width of a line in pixels, by requests per second. */
export function widthOf(live: Recent | undefined): number {
  if (live === undefined || live.perSecond === 0) return 1;
  return Math.min(4, 1.25 + Math.log10(1 + live.perSecond) * 0.8);
}

/** The median latency as a position from 0 to 1 on a logarithmic scale from 0.1 ms to 10 s. */
export function latencyShare(live: Recent | undefined): number {
  if (live === undefined || live.p50 <= 0) return 0;
  return Math.max(0.02, Math.min(1, (Math.log10(live.p50) - 2) / 5));
}

/** Combines the numbers of the members of a group. */
export function sumOf(list: readonly (Recent | undefined)[]): Recent | undefined {
  const given = list.filter((one) => one !== undefined);
  if (given.length < 2) return given[0];
  const perSecond = given.reduce((sum, one) => sum + one.perSecond, 0);
  const mean = (of: (one: Recent) => number) =>
    given.reduce((sum, one) => sum + of(one) * one.perSecond, 0) / Math.max(perSecond, 1e-9);
  return {
    perSecond,
    errorShare: mean((one) => one.errorShare),
    p50: mean((one) => one.p50),
    p99: Math.max(...given.map((one) => one.p99)),
  };
}
