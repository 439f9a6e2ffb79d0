import { expect, test } from "bun:test";
import type { BackendCounters, Counters, LinkCounters } from "../../../src/verify/backend/counters.ts";
import { Tally } from "../../../src/verify/judge/tally.ts";
import { attributeLosses } from "../../../src/verify/run/attribution.ts";

type Processes = Record<string, { link: string; counters: LinkCounters | null }>;

function countersOf(processes: Processes, backend: BackendCounters | null = null): Counters {
  return { links: new Map(Object.entries(processes)), backend };
}

function link(
  name: string,
  sent: number,
  dropped: Record<string, number> = {},
  queued = 0,
  startedAt: number | null = null,
) {
  return { link: name, counters: { sent, queued, dropped: new Map(Object.entries(dropped)), startedAt } };
}

function missing(name: string, spans: number): Tally {
  const tally = new Tally();
  tally.missing = spans;
  tally.links.set(name, { server: spans, client: 0, altered: 0, copies: 0 });
  return tally;
}

test("the counters of all processes of a link are added up", () => {
  const before = countersOf({ a: link("cart", 10, { unavailable: 5 }), b: link("cart", 10) });
  const after = countersOf({
    a: link("cart", 20, { unavailable: 7 }),
    b: link("cart", 20, { unavailable: 1 }, 4),
  });
  expect(attributeLosses(missing("cart", 6), before, after)).toEqual([
    { link: "cart", reason: "unavailable", spans: 3 },
    { link: "cart", reason: "on_the_way", spans: 3 },
  ]);
});

test("a process that disappeared is blamed for the spans that no counter explains", () => {
  const before = countersOf({ a: link("cart", 10), b: link("cart", 10) });
  const gone = countersOf({ b: link("cart", 20, { queue_full: 1 }) });
  expect(attributeLosses(missing("cart", 3), before, gone)).toEqual([
    { link: "cart", reason: "queue_full", spans: 1 },
    { link: "cart", reason: "link_gone", spans: 2 },
  ]);
});

test("another process at the same address means a restart or several replicas, and its counters blame nobody", () => {
  const either = [{ link: "cart", reason: "restarted_or_several_replicas", spans: 3 }] as const;
  const fallen = countersOf({ a: link("cart", 2, { queue_full: 1 }) });
  expect(attributeLosses(missing("cart", 3), countersOf({ a: link("cart", 10) }), fallen)).toEqual([
    ...either,
  ]);
  const old = countersOf({ a: link("cart", 10, {}, 0, 1000) });
  const young = countersOf({ a: link("cart", 500, { queue_full: 90 }, 0, 2000) });
  expect(attributeLosses(missing("cart", 3), old, young)).toEqual([...either]);
});

test("a second process that is older than the first is a replica, and neither is blamed", () => {
  const backend = { received: 100, refused: 0, evicted: null };
  const young = countersOf({ a: link("cart", 500, {}, 0, 2000) }, { ...backend, received: 0 });
  const old = countersOf({ a: link("cart", 10, { queue_full: 90 }, 7, 1000) }, backend);
  expect(attributeLosses(missing("cart", 3), young, old)).toEqual([
    { link: null, reason: "unexplained", spans: 3 },
  ]);
});

test("spans that the backend refused are explained first, then those of a disappeared link, then evicted ones", () => {
  const before = countersOf(
    { a: link("cart", 10), b: link("shop", 10) },
    { received: 20, refused: 1, evicted: 5 },
  );
  const after = (refused: number) =>
    countersOf({ b: link("shop", 15) }, { received: 30, refused: 1 + refused, evicted: 95 });
  const tally = missing("cart", 5);
  expect(attributeLosses(tally, before, after(2))).toEqual([
    { link: null, reason: "refused", spans: 2 },
    { link: "cart", reason: "link_gone", spans: 3 },
  ]);
  expect(attributeLosses(tally, before, after(9))).toEqual([{ link: null, reason: "refused", spans: 5 }]);
  // Nothing else explains the spans of the other link, so the refused ones are attributed to them first.
  tally.links.set("shop", { server: 1, client: 0, altered: 0, copies: 0 });
  expect(attributeLosses(tally, before, after(2))).toEqual([
    { link: null, reason: "refused", spans: 2 },
    { link: "cart", reason: "link_gone", spans: 4 },
  ]);
  tally.links.set("shop", { server: 3, client: 0, altered: 0, copies: 0 });
  expect(attributeLosses(tally, before, after(2))).toEqual([
    { link: null, reason: "refused", spans: 2 },
    { link: "cart", reason: "link_gone", spans: 5 },
    { link: null, reason: "evicted", spans: 1 },
  ]);
});

test("a process that never answered is not blamed", () => {
  const silent = { link: "cart", counters: null };
  const losses = attributeLosses(missing("cart", 3), countersOf({ a: silent }), countersOf({ a: silent }));
  expect(losses).toEqual([{ link: null, reason: "unexplained", spans: 3 }]);
  const backend = { received: 0, refused: 0, evicted: null };
  const told = attributeLosses(
    missing("cart", 3),
    countersOf({ a: silent }, backend),
    countersOf({ a: silent }, backend),
  );
  expect(told).toEqual([{ link: null, reason: "unexplained", spans: 3 }]);
});

test("the counters of a link say nothing about the link that had its address before", () => {
  const before = countersOf({ a: link("cart", 1000) });
  const after = countersOf({ a: link("shop", 5, { rejected: 2 }) });
  expect(attributeLosses(missing("cart", 3), before, after)).toEqual([
    { link: "cart", reason: "link_gone", spans: 3 },
  ]);
});

test("spans queued for later requests do not count as in flight for the judged ones", () => {
  const before = countersOf({ a: link("cart", 10) });
  const ended = countersOf({ a: link("cart", 20, {}, 10) });
  const busy = countersOf({ a: link("cart", 500, {}, 10) });
  expect(attributeLosses(missing("cart", 3), before, busy, ended)).toEqual([
    { link: null, reason: "unexplained", spans: 3 },
  ]);
  const stuck = countersOf({ a: link("cart", 24, { unavailable: 4 }, 90) });
  expect(attributeLosses(missing("cart", 12), before, stuck, ended)).toEqual([
    { link: "cart", reason: "unavailable", spans: 4 },
    { link: "cart", reason: "on_the_way", spans: 2 },
    { link: null, reason: "unexplained", spans: 6 },
  ]);
});

test("copies in the backend's count of received spans do not hide lost spans", () => {
  const zipkin = { refused: 0, evicted: null, identity: "today", countsCopies: true };
  const before = countersOf({ a: link("cart", 0) }, { ...zipkin, received: 0 });
  // 100 spans were sent; 20 of them were lost in transit, and 20 others arrived twice.
  const after = countersOf({ a: link("cart", 100) }, { ...zipkin, received: 100 });
  expect(attributeLosses(missing("cart", 20), before, after)).toEqual([
    { link: null, reason: "never_received_or_not_stored", spans: 20 },
  ]);
  const exact = countersOf({ a: link("cart", 100) }, { ...zipkin, countsCopies: false, received: 80 });
  expect(attributeLosses(missing("cart", 20), before, exact)).toEqual([
    { link: null, reason: "never_received", spans: 20 },
  ]);
  const known = missing("cart", 20);
  known.copies = 20;
  expect(attributeLosses(known, before, after)).toEqual([
    { link: null, reason: "never_received", spans: 20 },
  ]);
});

test("spans missing in a backend without an identity have two possible reasons, because it may have restarted", () => {
  const backend = { refused: 0, evicted: null };
  const before = countersOf({ a: link("cart", 0) }, { ...backend, received: 0 });
  const after = countersOf({ a: link("cart", 100) }, { ...backend, received: 80 });
  expect(attributeLosses(missing("cart", 20), before, after)).toEqual([
    { link: null, reason: "never_received_or_not_stored", spans: 20 },
  ]);
  expect(attributeLosses(missing("cart", 20), before, after, null, true)).toEqual([
    { link: null, reason: "backend_restarted_or_evicted", spans: 20 },
  ]);
});
