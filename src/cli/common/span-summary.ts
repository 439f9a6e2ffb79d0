import { formatCount } from "../../lib/count.ts";
import type { LocalChain } from "../../local/local-chain.ts";
import { countDropped } from "../../local/snapshot.ts";
import type { Output } from "../shell/output.ts";

/** Totals of the spans of links that have stopped. */
interface SpanTotals {
  readonly sent: number;
  readonly dropped: number;
  /** Links whose last spans nobody can account for. */
  readonly lostLinks: readonly string[];
}

export function countSpans({ links }: Pick<LocalChain, "links">): SpanTotals {
  const snapshots = links.map((link) => link.snapshot());
  return {
    sent: snapshots.reduce((sum, { spansSent }) => sum + spansSent, 0),
    dropped: snapshots.reduce((sum, snapshot) => sum + countDropped(snapshot), 0),
    lostLinks: links.filter((link) => link.isLost).map(({ name }) => name),
  };
}

/** Whether every span is known to be sent. */
export function areAllSent({ dropped, lostLinks }: SpanTotals): boolean {
  return dropped === 0 && lostLinks.length === 0;
}

export function describeSpans({ sent, dropped }: SpanTotals): string {
  return `${formatCount(sent, "span")} sent, ${dropped || "none"} dropped`;
}

export function warnOfLostLinks({ lostLinks }: SpanTotals, output: Output): void {
  if (lostLinks.length > 0) output.warn(`the fate of the last spans of ${lostLinks.join(", ")} is unknown`);
}
