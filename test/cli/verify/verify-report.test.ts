import { expect, test } from "bun:test";
import { renderVerifyReport } from "../../../src/cli/verify/verify-report.ts";
import { Histogram } from "../../../src/lib/histogram.ts";
import { Tally } from "../../../src/verify/judge/tally.ts";
import { verdictOf } from "../../../src/verify/judge/verdict.ts";
import { type Reconciled, resultOf } from "../../../src/verify/result/result.ts";

/** The report on complete traces that were seen so long after their requests. */
function reportOn(latenciesMs: readonly number[]): string {
  const tally = new Tally();
  const exportLatency = new Histogram();
  for (const ms of latenciesMs) {
    tally.add("0".repeat(32), 0, verdictOf({ expected: 1, seen: 1 }, "complete"));
    exportLatency.record(ms * 1000);
  }
  return report({ tally, exportLatency, graph: null });
}

function report(reconciled: Reconciled, failures: ReadonlyMap<string, number> | null = null): string {
  const about = {
    run: "9f86d081884c7d65",
    subject: null,
    url: "http://localhost:1",
    backend: "Zipkin",
    startedMs: 0,
  };
  const options = { ...about, allowed: { loss: 0, unknown: 0 }, losses: [], pageOf: () => null, failures };
  return renderVerifyReport(resultOf(reconciled, options));
}

test("export latencies have three digits and a unit, and the sparkline labels its first and last bars", () => {
  const text = reportOn([350, 1500, 1510]);
  expect(text).toMatch(/\nexport {3}p50 1\.\d\d s, p90 1\.\d\d s, p99 1\.\d\d s after the request\n/);
  expect(text).toMatch(/\n {9}\[.{3}\] up to 500 ms … up to 2\.00 s\n/);
  expect(reportOn([1500])).toStartWith("complete: none of 1 span missing, 1 request\n");
  expect(reportOn([1500])).toMatch(/\n {9}\[█\] up to 2\.00 s\n/);
});

test("an INCOMPLETE run also explains its unknown traces", () => {
  const tally = new Tally();
  tally.add("0".repeat(32), 0, verdictOf({ expected: 1, unattributed: 1 }, "unknown"));
  for (const cause of ["no_answer", "no_answer", "502", "differs"])
    tally.add("1".repeat(32), 0, verdictOf({}, "unknown"), cause);
  const reconciled = { tally, exportLatency: new Histogram(), graph: null };
  const causes = (failures: string) =>
    `\nunknown  ${failures}; 1 request got an answer without a complete ledger (1 × 502); the spans of 1 trace differ`;
  expect(report(reconciled)).toStartWith("INCOMPLETE: 1 of 1 span missing, 5 requests\n");
  expect(report(reconciled)).toContain("\nunknown  1 missing span cannot be attributed to a link\n");
  expect(report(reconciled)).toContain(causes("2 requests got no answer, and the ledger does not say why"));
  const failures = new Map([
    ["timeout", 2],
    ["502", 1],
  ]);
  expect(report(reconciled, failures)).toContain(causes("2 requests failed (2 × timeout)"));
});
