import { beforeEach, describe, expect, test } from "bun:test";
import { SpanStore } from "../../src/collector/span-store.ts";
import { LiveProof } from "../../src/local/live-proof.ts";
import { buildChain } from "../../src/topology/chain.ts";
import type { LedgerRecord } from "../../src/trace/ledger-record.ts";
import { RunIds } from "../../src/trace/run.ts";
import type { Span } from "../../src/trace/span.ts";
import type { Counters } from "../../src/verify/backend/counters.ts";
import { graphOf } from "../../src/verify/judge/call-graph.ts";
import { ledgerOf } from "../../src/verify/judge/digest.ts";
import { toSeenSpan } from "../../src/verify/judge/seen-span.ts";
import { makeChain } from "../collector/spans.ts";

const RUN = "0123456789abcdef";
const START_MS = 1_795_000_000_000;
const ids = new RunIds(RUN);

describe("a live proof compares the ledgers of a running load with the arriving spans", () => {
  let store: SpanStore;
  let nowMs: number;
  let proof: LiveProof;
  let counters: Counters;
  beforeEach(() => {
    counters = { links: new Map(), backend: null };
    store = new SpanStore({});
    nowMs = START_MS;
    proof = proofOfChain(3);
  });

  const proofOfChain = (links: number) =>
    new LiveProof({
      header: { run: RUN, startMs: START_MS, url: "http://127.0.0.1:1/" },
      backend: "the collector",
      graph: () => graphOf(buildChain(links)),
      readTrace: (traceId) => store.trace(traceId),
      pageOf: (traceId) => `/?trace=${traceId}`,
      counters: () => counters,
      now: () => nowMs,
    });

  const spansOf = (sequence: number) => makeChain(ids.traceId(sequence), 3, START_MS);
  const come = (spans: readonly Span[]) => {
    store.add(spans);
    proof.record(spans);
  };
  const end = (sequence: number, changes: Partial<LedgerRecord> = {}) =>
    proof.noteEnd({
      sequence,
      endMs: 5,
      status: 200,
      ledger: ledgerOf(spansOf(sequence).map(toSeenSpan)),
      isSampled: true,
      isBroken: false,
      ...changes,
    });
  const later = (ms: number) => {
    nowMs += ms;
    proof.tick();
  };

  test("a trace is complete when its last span arrives, before or after the end of its request", () => {
    come(spansOf(0));
    expect(proof.proofOf(ids.traceId(0))?.state).toBe("waiting");
    end(0);
    expect(proof.proofOf(ids.traceId(0))).toEqual({ state: "complete", seen: 5, expected: 5, findings: [] });
    end(1);
    const [first, ...rest] = spansOf(1) as [Span, ...Span[]];
    come(rest);
    expect(proof.proofOf(ids.traceId(1))).toMatchObject({ state: "waiting", seen: 4, expected: 5 });
    come([first]);
    expect(proof.totals()).toEqual({ complete: 2, waiting: 0, incomplete: 0, unknown: 0 });
    expect(proof.result().result).toMatchObject({ outcome: "complete", requests: 2 });
  });

  test("a missing span is attributed to its link after ten seconds, and cleared when it arrives after all", () => {
    end(7);
    const lost = spansOf(7).find(
      ({ kind, localEndpoint }) => kind === "SERVER" && localEndpoint?.serviceName?.endsWith("2"),
    );
    come(spansOf(7).filter(({ id }) => id !== lost?.id));
    later(9000);
    expect(proof.totals()).toMatchObject({ waiting: 1, incomplete: 0 });
    later(2000);
    expect(proof.totals()).toEqual({ complete: 0, waiting: 0, incomplete: 1, unknown: 0 });
    const found = proof.proofOf(ids.traceId(7));
    expect(found).toMatchObject({ state: "incomplete", seen: 4, expected: 5 });
    expect(found?.findings[0]).toStartWith("misses SERVER of chain-link-service-2");
    const { result } = proof.result();
    expect(result.outcome).toBe("incomplete");
    expect(result.links["chain-link-service-2"]?.server).toBe(1);
    expect(result.calls).toEqual([
      "chain-link-service-0 > chain-link-service-1",
      "chain-link-service-1 > chain-link-service-2",
    ]);
    expect(result.losses).toEqual([{ link: null, reason: "unexplained", spans: 1 }]);
    const dropped = new Map([["queue_full", 3]]);
    const link = "chain-link-service-2";
    counters = {
      links: new Map([[link, { link, counters: { sent: 4, queued: 0, dropped } }]]),
      backend: null,
    };
    expect(proof.result().result.losses).toEqual([{ link, reason: "queue_full", spans: 1 }]);
    come([lost as Span]);
    expect(proof.result().result.losses).toEqual([]);
    expect(proof.totals()).toEqual({ complete: 1, waiting: 0, incomplete: 0, unknown: 0 });
    expect(proof.result().result.outcome).toBe("complete");
  });

  test("a batch that arrives twice makes no trace incomplete", () => {
    end(3);
    come(spansOf(3).slice(1));
    come(spansOf(3).slice(1));
    come(spansOf(3).slice(0, 1));
    later(11_000);
    expect(proof.totals()).toEqual({ complete: 1, waiting: 0, incomplete: 0, unknown: 0 });
  });

  test("seconds older than 15 minutes are forgotten with all their requests, failed ones as well", () => {
    end(1);
    come(spansOf(1));
    end(2);
    come(spansOf(2).slice(1));
    later(11_000);
    const seconds = () => proof.result().result.seconds;
    expect(seconds()).toEqual([{ time: START_MS, requests: 2, missing: 1 }]);
    later(888_000);
    expect(seconds()).toEqual([{ time: START_MS, requests: 2, missing: 1 }]);
    later(2000);
    expect(seconds()).toEqual([]);
    // One that turns out complete after all is of that time, too.
    come(spansOf(2).slice(0, 1));
    expect(seconds()).toEqual([]);
    expect(proof.result().result).toMatchObject({ requests: 2, outcome: "complete" });
  });

  test("a request without an answer is unknown, not incomplete", () => {
    end(4, { status: 0, ledger: null });
    expect(proof.proofOf(ids.traceId(4))?.state).toBe("unknown");
    expect(proof.result().result.traces.unknown).toBe(1);
  });

  test("the missing span of a trace with thousands of spans is identified, and an altered one is only reported as altered", () => {
    proof = proofOfChain(1000);
    const lost = makeChain(ids.traceId(5), 1000, START_MS);
    end(5, { ledger: ledgerOf(lost.map(toSeenSpan)) });
    come(lost.slice(0, -1));
    const altered = makeChain(ids.traceId(6), 1000, START_MS);
    end(6, { ledger: ledgerOf(altered.map(toSeenSpan)) });
    come(altered.map((span, index) => (index === 900 ? { ...span, kind: "PRODUCER" } : span)));
    later(11_000);
    // A second judges one at least, and not more than it has time for.
    later(1000);
    expect(proof.proofOf(ids.traceId(5))).toEqual({
      state: "incomplete",
      seen: 1998,
      expected: 1999,
      findings: [expect.stringContaining("misses SERVER of chain-link-service-999")],
    });
    expect(proof.proofOf(ids.traceId(6))).toMatchObject({ state: "incomplete", seen: 1999, expected: 1999 });
    come(lost.slice(-1));
    expect(proof.totals()).toEqual({ complete: 1, waiting: 0, incomplete: 1, unknown: 0 });
  });

  test("foreign traces and made-up ids far ahead of the run are ignored", () => {
    come(makeChain("00000000000000aa00000000000000aa", 2, START_MS));
    come(spansOf(4_000_000_000));
    expect(proof.proofOf(ids.traceId(4_000_000_000))).toBeUndefined();
    expect(proof.totals()).toEqual({ complete: 0, waiting: 0, incomplete: 0, unknown: 0 });
  });

  test("only the latest requests are remembered by trace, all of them are counted", () => {
    const many = 140_000;
    for (let sequence = 0; sequence < many; sequence++) {
      proof.noteEnd({
        sequence,
        endMs: 1,
        status: 200,
        ledger: { count: 0, high: 0, low: 0, unknown: 0 },
        isSampled: false,
        isBroken: false,
      });
    }
    expect(proof.totals().complete).toBe(many);
    expect(proof.proofOf(ids.traceId(0))).toBeUndefined();
    expect(proof.proofOf(ids.traceId(many - 1))?.state).toBe("complete");
  });
});
