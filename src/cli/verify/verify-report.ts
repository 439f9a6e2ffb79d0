import { describeExpected, describeOwnTraces, type Expected, spansPerCall } from "../../contract/platform.ts";
import { describeCauses, ON_THE_WAY } from "../../contract/unknown-causes.ts";
import type { ExportLatency, VerifyResult } from "../../contract/verify-result.ts";
import { formatCount } from "../../lib/count.ts";
import { formatRounded } from "../../lib/duration.ts";
import { formatShare } from "../../lib/share.ts";
import { joinLines } from "../../lib/visible-text.ts";
import { describeFailedCall } from "../../verify/judge/failed-call.ts";
import { describeLatency } from "../../verify/judge/kept-shares.ts";
import { isPassed } from "../../verify/result/result.ts";
import { missingBySecond } from "../../verify/result/seconds.ts";
import { renderSparkline } from "../../verify/result/sparkline.ts";
import { type Column, renderTable } from "../shell/table.ts";

export const TITLES = {
  complete: "complete",
  "within-allowed-loss": "within the allowed loss",
  incomplete: "INCOMPLETE",
  "could-not-tell": "COULD NOT TELL",
} as const;

/** Renders the result for people. */
export function renderVerifyReport(result: VerifyResult): string {
  const { spans, exportLatencyMs } = result;
  const causes = describeCauses(result.unknownCauses);
  const isCutShort = ON_THE_WAY in result.unknownCauses;
  const traces = Object.entries(result.traces).filter(([, count]) => count > 0);
  const blocks = [
    [
      `${titleOf(result)}: ${spans.missing === 0 ? "none" : spans.missing} of ${formatCount(spans.expected, "span")} ${isCutShort ? "known to be missing" : "missing"}, ${formatCount(result.requests, "request")}`,
      ...(result.doubt === null ? [] : [result.doubt]),
      ...renderUnmet([...(result.platform?.expected ?? []), ...(result.sampling?.expected ?? [])]),
      `run      ${result.run}`,
      `backend  ${result.backend}`,
      ...(result.notes ?? []).map((note) => `note     ${note}`),
      `traces   ${traces.map(([name, count]) => `${count} ${name}`).join(", ")}`,
      ...(causes === null || causes === result.doubt ? [] : [`unknown  ${causes}`]),
      ...(exportLatencyMs === null
        ? []
        : [
            `export   p50 ${time(exportLatencyMs.p50)}, p90 ${time(exportLatencyMs.p90)}, p99 ${time(exportLatencyMs.p99)} after the request`,
            `         ${renderBuckets(exportLatencyMs.buckets)}`,
          ]),
      ...(result.platform === null || result.platform.rows.length === 0
        ? []
        : [`platform ${formatCount(result.platform.tracesRead, "trace")} of ${result.requests} read`]),
      ...renderSampling(result),
      ...(spans.copies > 0 ? [`copies   ${formatCount(spans.copies, "span")} arrived more than once`] : []),
      ...(spans.unattributed > 0
        ? [`unknown  ${formatCount(spans.unattributed, "missing span")} cannot be attributed to a link`]
        : []),
    ],
    table(
      [text("LINK"), number("SERVER"), number("CLIENT"), number("ALTERED"), number("COPIES")],
      Object.entries(result.links).map(([name, it]) => [name, it.server, it.client, it.altered, it.copies]),
    ),
    table([text("MISSING AT EDGE"), number("SPANS")], Object.entries(result.edges)),
    table([text("CONTEXT BROKEN AT"), number("TRACES")], Object.entries(result.brokenContexts)),
    table(
      [
        ...["PLATFORM", "SERVICE", "EDGE"].map(text),
        ...["SPANS", "SHARE OF REQUESTS", "TIME COVERED"].map(number),
      ],
      (result.platform?.rows ?? []).map((row) => [
        ...[row.recorder ?? "-", row.service, row.edge, spansPerCall(row)],
        ...[formatShare(row.requestShare), row.timeCovered === null ? "-" : formatShare(row.timeCovered)],
      ]),
    ),
    result.platform?.ownTraces.map(describeOwnTraces) ?? [],
    result.platform?.expected.map(describeExpected) ?? [],
    table(
      [text("ANSWERS"), text("LATENCY"), ...["REQUESTS", "KEPT", "SHARE"].map(number)],
      (result.sampling?.groups ?? []).map(({ answer, upToMs, requests, kept }) => [
        ...[answer, describeLatency(upToMs), requests, kept, formatShare(kept / requests)],
      ]),
    ),
    result.sampling?.expected.map(describeExpected) ?? [],
    result.failedCalls.map(describeFailedCall),
    table([text("SAMPLING IGNORED BY"), number("TRACES")], Object.entries(result.samplingIgnoredBy)),
    table(
      [text("LOST"), text("WHERE"), number("SPANS")],
      result.losses.map(({ link, stage, reason, spans: count }) => [
        reason.replaceAll("_", " "),
        link ?? stage ?? "-",
        count,
      ]),
    ),
    spans.missing === 0 ? [] : renderWhen(result.seconds),
    result.examples.flatMap(({ traceId, class: name, page, findings }) => [
      `${page ?? traceId}  ${name}`,
      ...findings.slice(0, MAX_FINDINGS).map((finding) => `    ${finding}`),
      ...(findings.length > MAX_FINDINGS ? [`    … and ${findings.length - MAX_FINDINGS} more`] : []),
    ]),
  ];
  return blocks
    .filter(({ length }) => length > 0)
    .map(joinLines)
    .join("\n");
}

/** Nothing passes where an expectation is not met, although every span arrived. */
function titleOf({ outcome, platform, sampling }: VerifyResult): string {
  const expected = [...(platform?.expected ?? []), ...(sampling?.expected ?? [])];
  const isMet = expected.every((it) => it.outcome === "met");
  return isPassed(outcome) && !isMet ? "EXPECTATION NOT MET" : TITLES[outcome];
}

function renderSampling({ sampling, traces }: VerifyResult): string[] {
  if (sampling === null) return [];
  const { requests, kept, lostSpans } = sampling;
  const absent = formatCount(traces["sampled-out"], "trace");
  const share = requests === 0 ? "" : `${kept} of ${formatCount(requests, "trace")} kept, `;
  return [
    `sampled  ${share}${absent} absent as a whole`,
    ...(lostSpans === 0
      ? []
      : [
          `         ${formatCount(lostSpans, "span")} of absent traces ${lostSpans === 1 ? "was" : "were"} lost, not sampled out`,
        ]),
  ];
}

function renderUnmet(expected: readonly Expected[]): string[] {
  const unmet = expected.filter(({ outcome }) => outcome !== "met").length;
  return unmet === 0 ? [] : [`${unmet} of ${formatCount(expected.length, "expectation")} not met`];
}

/** Renders buckets whose bounds grow 1, 2, 5, 10 … */
function renderBuckets(buckets: ExportLatency["buckets"]): string {
  const picture = renderSparkline(buckets.map(({ count }) => count));
  const ends = buckets.length > 1 ? [buckets[0], buckets.at(-1)] : buckets;
  return `[${picture}] ${ends.map((bucket) => `up to ${time(bucket?.upToMs)}`).join(" … ")}`;
}

function time(ms = 0): string {
  return formatRounded(ms * 1000);
}

function renderWhen(seconds: VerifyResult["seconds"]): string[] {
  const clock = (ms = 0) => new Date(ms).toISOString().slice(11, 19);
  const [first, last] = [seconds[0]?.time, seconds.at(-1)?.time];
  return [`when     [${renderSparkline(missingBySecond(seconds))}] ${clock(first)} to ${clock(last)} UTC`];
}

const MAX_FINDINGS = 3;

function text(title: string): Column {
  return { title };
}

function number(title: string): Column {
  return { title, align: "right" };
}

function table(columns: readonly Column[], rows: readonly (readonly (string | number)[])[]): string[] {
  if (rows.length === 0) return [];
  return renderTable(
    columns,
    rows.map((row) => row.map(String)),
  );
}
