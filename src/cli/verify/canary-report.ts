import type { Outcome } from "../../contract/verify-result.ts";
import { formatCount } from "../../lib/count.ts";
import { joinLines } from "../../lib/visible-text.ts";
import type { CanaryTotals } from "../../verify/canary/canary-totals.ts";
import { renderTable } from "../shell/table.ts";
import { TITLES } from "./verify-report.ts";

/** Renders everything that a canary found, when it stops. */
export function renderCanaryEnd(account: CanaryTotals, outcome: Outcome, form: "table" | "json"): string {
  const losses = [...account.losses.values()];
  const { windows, exportLatency } = account;
  const ms = (quantile: number) => Number((exportLatency.quantile(quantile) / 1000).toFixed(1));
  const exportLatencyMs = exportLatency.count === 0 ? null : { p50: ms(0.5), p90: ms(0.9), p99: ms(0.99) };
  if (form === "json") {
    const result = {
      outcome,
      requests: account.traces,
      traces: account.classes,
      spans: {
        expected: account.expected,
        missing: account.missing,
        altered: account.altered,
        copies: account.copies,
        unexpected: account.unexpected,
      },
      losses,
      brokenContexts: Object.fromEntries(account.brokenEdges),
      exportLatencyMs,
      windows: { ...windows, skipped: account.skippedWindows },
      unjudged: account.unjudged,
    };
    return `${JSON.stringify(result)}\n`;
  }
  const traces = Object.entries(account.classes).filter(([, count]) => count > 0);
  const lines = [
    `${TITLES[outcome]}: ${account.missing || "none"} of ${formatCount(account.expected, "span")} missing, ${formatCount(account.traces, "request")}`,
    `windows  ${windows.complete} complete, ${windows.incomplete} incomplete, ${windows["could-not-tell"]} undetermined`,
    ...(traces.length > 0
      ? [`traces   ${traces.map(([name, count]) => `${count} ${name}`).join(", ")}`]
      : []),
    ...(exportLatencyMs === null
      ? []
      : [
          `export   p50 ${exportLatencyMs.p50} ms, p90 ${exportLatencyMs.p90} ms, p99 ${exportLatencyMs.p99} ms after the request`,
        ]),
    ...(account.unjudged > 0
      ? [`unjudged ${formatCount(account.unjudged, "request")} right before the stop`]
      : []),
    ...(account.skippedWindows > 0
      ? [`skipped  ${account.skippedWindows} windows, because the backend responds too slowly`]
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
