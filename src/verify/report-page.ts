import { escapeText } from "./junit.ts";
import type { VerifyResult } from "./result.ts";
import { missingBySecond } from "./seconds.ts";
import { groupValues } from "./sparkline.ts";

const WORDS = { complete: "Complete", incomplete: "Incomplete", "could-not-tell": "Could not tell" } as const;
const CHART_BARS = 120;

/** The result as one page that needs nothing else: no script, no request. */
export function renderReportPage(result: VerifyResult): string {
  const { outcome, spans } = result;
  const traces = Object.entries(result.traces).filter(([, count]) => count > 0);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>verify ${escapeText(result.run)}: ${WORDS[outcome]}</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { border-left: .4rem solid var(--mark); padding-left: .8rem }
table { border-collapse: collapse; margin: .5rem 0 }
th, td { text-align: left; padding: .15rem 1.2rem .15rem 0; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
code { font-size: .9em } svg { width: 100%; height: 5rem; background: #8882 } rect { fill: #d33 }
</style>
<h1 style="--mark: ${outcome === "complete" ? "#2a2" : outcome === "incomplete" ? "#d33" : "#e90"}">${WORDS[outcome]}</h1>
<p>${spans.missing === 0 ? "No span" : spans.missing} of ${spans.expected} is missing, of ${result.requests} requests to
<code>${escapeText(result.url)}</code>, run <code>${escapeText(result.run)}</code>, read from ${escapeText(result.backend)}.</p>
${section("Traces", ["class", "traces"], traces)}
${section(
  "Links",
  ["link", "missing SERVER", "missing CLIENT", "altered", "copies"],
  Object.entries(result.links).map(([name, it]) => [name, it.server, it.client, it.altered, it.copies]),
)}
${section("Missing by edge", ["edge", "spans"], Object.entries(result.edges))}
${section("Broken contexts", ["edge", "traces"], Object.entries(result.brokenContexts))}
${section("Sampling decisions ignored", ["link", "traces"], Object.entries(result.samplingIgnoredBy))}
${section(
  "Where they went",
  ["link", "reason", "spans"],
  result.losses.map(({ link, reason, spans: count }) => [link ?? "", reason.replaceAll("_", " "), count]),
)}
${renderChart(result)}
${renderLatency(result)}
${section(
  "Worst traces",
  ["trace", "class", "findings"],
  result.examples.map((it) => [it.traceId, it.class, it.findings.join("; ")]),
  result.examples.map(({ page }) => page),
)}
</html>
`;
}

function section(
  title: string,
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  links: readonly (string | null)[] = [],
): string {
  if (rows.length === 0) return "";
  const cell = (value: string | number, row: number, column: number) => {
    const text = escapeText(String(value));
    const link = column === 0 ? links[row] : null;
    const content = link ? `<a href="${escapeText(link)}"><code>${text}</code></a>` : text;
    return typeof value === "number" ? `<td class="n">${content}</td>` : `<td>${content}</td>`;
  };
  const body = rows.map(
    (row, at) => `<tr>${row.map((value, column) => cell(value, at, column)).join("")}</tr>`,
  );
  const titles = head.map((text, column) => {
    const isNumber = typeof rows[0]?.[column] === "number";
    return `<th${isNumber ? ' class="n"' : ""}>${escapeText(text)}</th>`;
  });
  return `<h2>${escapeText(title)}</h2>\n<table><tr>${titles.join("")}</tr>\n${body.join("\n")}</table>`;
}

function renderChart({ seconds, spans }: VerifyResult): string {
  const [first] = seconds;
  const last = seconds.at(-1);
  if (spans.missing === 0 || first === undefined || last === undefined) return "";
  const values = groupValues(missingBySecond(seconds), CHART_BARS);
  const highest = Math.max(...values);
  const bars = values.map((value, index) => {
    const height = (value / highest) * 100;
    return `<rect x="${index}" y="${100 - height}" width=".9" height="${height}"/>`;
  });
  const time = (ms: number) => new Date(ms).toISOString();
  return `<h2>When they were lost</h2>
<svg viewBox="0 0 ${values.length} 100" preserveAspectRatio="none" role="img" aria-label="Missing spans over time">${bars.join("")}</svg>
<p>${time(first.time)} to ${time(last.time)}, by the end of their requests; at most ${highest} in one bar.</p>`;
}

function renderLatency({ exportLatencyMs }: VerifyResult): string {
  if (exportLatencyMs === null) return "";
  const { p50, p90, p99 } = exportLatencyMs;
  return `<h2>Export latency</h2>
<p>From the end of a request until its trace was seen complete: p50 ${p50} ms, p90 ${p90} ms, p99 ${p99} ms.</p>`;
}
