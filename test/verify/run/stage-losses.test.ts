import { describe, expect, test } from "bun:test";
import { parseStage, type StageCounters } from "../../../src/verify/backend/stage-counters.ts";
import { findStageLosses } from "../../../src/verify/run/stage-losses.ts";

const NAMES = [
  "accepted_spans",
  "accepted_spans_total",
  "accepted_spans__spans_",
  "accepted_spans__spans__total",
];

test.each(NAMES)("a collector that calls its counter receiver_%s is read", (name) => {
  const text = `# HELP x\notelcol_receiver_${name}{receiver="otlp",service_instance_id="i",transport="http"} 1.5e+03\n`;
  expect(parseStage(text)).toMatchObject({ accepted: 1500, identity: "i" });
});

test("metrics of something else are no collector's", () => {
  expect(parseStage("<html></html>")).toBeNull();
  expect(parseStage("process_cpu_seconds_total 1\n")).toBeNull();
  expect(parseStage("otelcol_process_uptime_seconds_total 1\n")).toMatchObject({ accepted: 0 });
});

describe("of a pipeline of two collectors", () => {
  const stage = (accepted: number, sent: number, failed: number, more: Partial<StageCounters> = {}) => ({
    accepted,
    refused: 0,
    exporters: new Map([["otlp", { sent, failed }]]),
    queued: 0,
    sampledOutTraces: 0,
    evictedTraces: 0,
    identity: "a",
    ...more,
  });
  const before = [stage(0, 0, 0), stage(0, 0, 0)];
  const lossesOf = (after: (StageCounters | null)[], sent = 100) =>
    findStageLosses(["first", "second"], before, after, sent)
      .losses.filter(({ spans }) => spans > 0)
      .map(({ reason, stage: name, spans }) => [reason, name, spans]);

  test("the place of each loss is named", () => {
    expect(lossesOf([stage(100, 100, 0), stage(100, 100, 0)])).toEqual([]);
    expect(lossesOf([stage(90, 90, 0), stage(90, 90, 0)])).toEqual([["never_received", "first", 10]]);
    expect(lossesOf([stage(100, 80, 20), stage(80, 80, 0)])).toEqual([
      ["export_failed", "first, exporter otlp", 20],
    ]);
    expect(lossesOf([stage(100, 100, 0), stage(70, 70, 0)])).toEqual([["never_received", "second", 30]]);
    expect(lossesOf([stage(100, 100, 0), stage(100, 60, 0)])).toEqual([
      ["dropped_in_collector", "second", 40],
    ]);
  });

  test("what a receiver refused and its sender sent again is no loss of the exporter's", () => {
    expect(lossesOf([stage(100, 100, 50, { refused: 50 }), stage(100, 100, 0)])).toEqual([
      ["refused_by_collector", "first", 50],
    ]);
  });

  test("a collector that was restarted, or is gone, accounts for anything", () => {
    expect(lossesOf([stage(40, 40, 0, { identity: "b" }), stage(40, 40, 0)])).toEqual([
      ["collector_restarted", "first", Number.POSITIVE_INFINITY],
    ]);
    expect(lossesOf([stage(100, 100, 0), null])).toEqual([
      ["collector_gone", "second", Number.POSITIVE_INFINITY],
    ]);
  });
});
