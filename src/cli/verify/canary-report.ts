import type { Outcome } from "../../contract/verify-result.ts";
import { formatCount } from "../../lib/count.ts";
import { joinLines } from "../../lib/visible-text.ts";
import type { CanaryTotals } from "../../verify/canary/canary-totals.ts";
import { renderTable } from "../shell/table.ts";
import { TITLES } from "./verify-report.ts";

/** Renders everything that a canary found, when it stops. */
export function renderCanaryEnd(totals: CanaryTotals, outcome: Outcome, form: "table" | "json"): string {
  const losses = [...totals.losses.values()];
  const { windows, exportLatency } = totals;
  const ms = (quantile: number) => Number((exportLatency.quantile(quantile) / 1000).toFixed(1));
  const exportLatencyMs = exportLatency.count === 0 ? null : { p50: ms(0.5), p90: ms(0.9), p99: ms(0.99) };
  if (form === "json") {
    const result = {
      outcome,
      requests: totals.traces,
      traces: totals.classes,
      spans: {
        expected: totals.expected,
        missing: totals.missing,
        altered: totals.altered,
        copies: totals.copies,
        unexpected: totals.unexpected,
      },
      losses,
      brokenContexts: Object.fromEntries(totals.brokenEdges),
      exportLatencyMs,
      windows: { ...windows, skipped: totals.skippedWindows },
      unjudged: totals.unjudged,
    };
    return `${JSON.stringify(result)}\n`;
  }
  const traces = Object.entries(totals.classes).filter(([, count]) => count > 0);
  const lines = [
    `${TITLES[outcome]}: ${totals.missing || "none"} of ${formatCount(totals.expected, "span")} missing, ${formatCount(totals.traces, "request")}`,
    `windows  ${windows.complete} complete, ${windows.incomplete} incomplete, ${windows["could-not-tell"]} undetermined`,
    ...(traces.length > 0
      ? [`traces   ${traces.map(([name, count]) => `${count} ${name}`).join(", ")}`]
      : []),
    ...(exportLatencyMs === null
      ? []
      : [
          `export   p50 ${exportLatencyMs.p50} ms, p90 ${exportLatencyMs.p90} ms, p99 ${exportLatencyMs.p99} ms after the request`,
        ]),
    ...(totals.unjudged > 0
      ? [`unjudged ${formatCount(totals.unjudged, "request")} right before the stop`]
      : []),
    ...(totals.skippedWindows > 0
      ? [`skipped  ${totals.skippedWindows} windows, because the backend responds too slowly`]
      : []),
    ...(losses.length === 0
      ? []
      : [
          "",
          ...renderTable(
            [{ title: "LOST" }, { title: "WHERE" }, { title: "SPANS", align: "right" }],
            losses.map(({ link, reason, spans }) => [reason.replaceAll("_", " "), link, String(spans)]),
          ),
        ]),
  ];
  return joinLines(lines);
}
