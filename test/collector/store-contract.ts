import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { TraceQuery, TraceStore } from "../../src/collector/store.ts";
import type { StoreCounts } from "../../src/contract/collector-counts.ts";
import type { Span } from "../../src/trace/span.ts";
import { hexId, makeChain, makeSpan } from "./spans.ts";

const NOW_MS = 1_700_000_000_000;
const EVERYTHING: TraceQuery = { endTs: 2 * NOW_MS, lookback: 2 * NOW_MS, limit: 1000 };

/**
 * Declares the tests that every `TraceStore` must pass.
 * @param create creates an empty store with a maximum number of spans
 * @param runs runs of the property; use fewer for stores in files
 */
export function describeTraceStore(name: string, create: (maxSpans: number) => TraceStore, runs = 500): void {
  describe(name, () => {
    test("a trace is found by its id as soon as it was added", () => {
      const store = create(100);
      const chain = makeChain(hexId(7), 5, NOW_MS);
      store.add(chain);
      expect(sortSpans(store.trace(hexId(7)))).toEqual(sortSpans(chain));
      expect(store.trace(hexId(8))).toBeUndefined();
      expect(store.counts()).toMatchObject({ traces: 1, spans: 9 });
    });

    test("identical spans count once, spans that differ anywhere count separately", () => {
      const store = create(100);
      const span = makeSpan({ timestamp: 5, tags: { a: "1" }, kind: "CLIENT" });
      const others = [
        { ...span, shared: true },
        { ...span, tags: { a: "2" } },
        { ...span, timestamp: 6 },
      ];
      store.add([span, span]);
      store.add([span, ...others]);
      expect(sortSpans(store.trace(span.traceId))).toEqual(sortSpans([span, ...others]));
      expect(store.counts()).toMatchObject({ spans: 4, duplicateSpans: 2 });
    });

    test("tags are returned sorted, and a span with its tags in another order is the same span", () => {
      const store = create(100);
      store.add([makeSpan({ tags: { z: "1", a: "2", m: "é" } })]);
      store.add([
        makeSpan({ tags: { m: "é", a: "2", z: "1" } }),
        makeSpan({ tags: { a: "1", z: "2", m: "é" } }),
      ]);
      const tags = store.trace(hexId(1))?.map((span) => JSON.stringify(span.tags));
      expect(tags?.sort()).toEqual(['{"a":"1","m":"é","z":"2"}', '{"a":"2","m":"é","z":"1"}']);
      expect(store.counts()).toMatchObject({ spans: 2, duplicateSpans: 1 });
    });

    test("spans that differ only in their trace ids are different, whatever the ids", () => {
      const store = create(100);
      const ids = [hexId(7) + hexId(0xbe), hexId(0xb0) + hexId(9), hexId(9) + hexId(0xb0), hexId(0xb9)];
      store.add(ids.map((traceId) => makeSpan({ traceId })));
      for (const id of ids) expect(store.trace(id)).toHaveLength(1);
    });

    test("the newest trace comes first, by its root, or by its earliest span while the root is missing", () => {
      const store = create(100);
      store.add([2, 3, 1].flatMap((trace) => makeChain(hexId(trace), 2, NOW_MS + trace)));
      store.add([makeSpan({ traceId: hexId(1), id: hexId(99), timestamp: (NOW_MS + 50) * 1000 })]);
      expect(listIds(store, EVERYTHING)).toEqual([hexId(3), hexId(2), hexId(1)]);
      expect(listIds(store, { ...EVERYTHING, limit: 2 })).toEqual([hexId(3), hexId(2)]);
      store.add([makeSpan({ traceId: hexId(3), id: hexId(99), parentId: hexId(98), timestamp: 1 })]);
      expect(listIds(store, EVERYTHING)).toEqual([hexId(3), hexId(2), hexId(1)]);
      store.add([
        makeSpan({ traceId: hexId(4), id: hexId(2), parentId: hexId(1), timestamp: (NOW_MS + 90) * 1000 }),
      ]);
      expect(listIds(store, EVERYTHING)).toEqual([4, 3, 2, 1].map(hexId));
      store.add([makeSpan({ traceId: hexId(4), id: hexId(1), timestamp: NOW_MS * 1000 })]);
      expect(listIds(store, EVERYTHING)).toEqual([3, 2, 1, 4].map(hexId));
    });

    test("a query finds the traces that started in its window, both ends included", () => {
      const store = create(100);
      for (const trace of [1, 2, 3, 4]) {
        store.add([makeSpan({ traceId: hexId(trace), timestamp: (NOW_MS + trace) * 1000 })]);
      }
      const window = { endTs: NOW_MS + 3, lookback: 1, limit: 10 };
      expect(listIds(store, window)).toEqual([hexId(3), hexId(2)]);
    });

    test("service and span name must match the same span", () => {
      const store = create(100);
      const at = { timestamp: NOW_MS * 1000 };
      store.add([
        makeSpan({ ...at, id: hexId(1), name: "get", localEndpoint: { serviceName: "front" } }),
        makeSpan({ ...at, id: hexId(2), name: "put", localEndpoint: { serviceName: "back" } }),
      ]);
      expect(listIds(store, { ...EVERYTHING, serviceName: "front", spanName: "get" })).toHaveLength(1);
      expect(listIds(store, { ...EVERYTHING, serviceName: "front", spanName: "put" })).toEqual([]);
      expect(listIds(store, { ...EVERYTHING, spanName: "put" })).toHaveLength(1);
      expect(listIds(store, { ...EVERYTHING, serviceName: "other" })).toEqual([]);
      expect(store.services()).toEqual(["back", "front"]);
      expect(store.spanNames("front")).toEqual(["get"]);
      expect(store.spanNames("other")).toEqual([]);
    });

    test("the oldest traces are evicted whole to make room, and are counted", () => {
      const store = create(20);
      for (const trace of [3, 1, 2, 4]) store.add(makeChain(hexId(trace), 3, NOW_MS + trace));
      expect(store.counts()).toMatchObject({ traces: 4, spans: 20, evictedSpans: 0 });
      store.add(makeChain(hexId(5), 4, NOW_MS + 5));
      expect(listIds(store, EVERYTHING)).toEqual([hexId(5), hexId(4), hexId(3)]);
      expect(store.trace(hexId(1))).toBeUndefined();
      expect(store.counts()).toMatchObject({ traces: 3, spans: 17, evictedSpans: 10 });
    });

    test("evicted traces leave no service and no span name", () => {
      const store = create(2);
      const names = ["a", "b", "c"];
      for (const [index, name] of names.entries()) {
        const localEndpoint = { serviceName: name };
        store.add([makeSpan({ traceId: hexId(index + 1), timestamp: index + 1, name, localEndpoint })]);
      }
      expect(store.services()).toEqual(["b", "c"]);
      expect(store.spanNames("a")).toEqual([]);
    });

    test("a trace without timestamps is found by id only, and is evicted first", () => {
      const store = create(3);
      store.add([makeSpan({ traceId: hexId(9) }), makeSpan({ traceId: hexId(1), timestamp: 1 })]);
      expect(store.trace(hexId(9))).toHaveLength(1);
      expect(listIds(store, { ...EVERYTHING, endTs: 2, lookback: 100 })).toEqual([hexId(1)]);
      store.add([2, 3].map((trace) => makeSpan({ traceId: hexId(trace), timestamp: trace })));
      expect(store.trace(hexId(9))).toBeUndefined();
      expect(store.counts()).toMatchObject({ traces: 3, evictedSpans: 1 });
    });

    test("a trace larger than the store leaves room for others, and its rejected spans are counted", () => {
      const store = create(100);
      store.add(makeChain(hexId(1), 3, NOW_MS));
      store.add(makeChain(hexId(2), 500, NOW_MS + 1));
      expect(listIds(store, EVERYTHING)).toEqual([hexId(2), hexId(1)]);
      expect(store.counts()).toMatchObject({ traces: 2, spans: 95, refusedSpans: 909, evictedSpans: 0 });
      store.add(makeChain(hexId(3), 10, NOW_MS + 2));
      expect(store.trace(hexId(3))).toHaveLength(19);
    });

    test("a store for one span keeps the newest", () => {
      const store = create(1);
      store.add([makeSpan({ timestamp: 2 }), makeSpan({ traceId: hexId(2), timestamp: 3 })]);
      expect(listIds(store, EVERYTHING)).toEqual([hexId(2)]);
    });

    test("large spans count for more, so that memory stays bounded", () => {
      const store = create(1000);
      const tags = { large: "x".repeat(200_000) };
      for (let trace = 1; trace <= 50; trace++) {
        store.add([makeSpan({ traceId: hexId(trace), timestamp: trace, tags })]);
      }
      const { spans, evictedSpans } = store.counts();
      expect(spans).toBeGreaterThan(5);
      expect(spans).toBeLessThan(20);
      expect(spans + evictedSpans).toBe(50);
    });

    test("queries answer like a linear search of a list", () => {
      fc.assert(
        fc.property(
          fc.array(fc.array(anySpan(), { maxLength: 8 })),
          fc.integer({ min: 1, max: 30 }),
          (batches, maxSpans) => {
            const store = create(maxSpans);
            const oracle = new ListOfSpans(maxSpans);
            for (const batch of batches) {
              store.add(batch);
              oracle.add(batch);
              expect(store.counts()).toEqual(oracle.counts());
            }
            for (let trace = 0; trace < 6; trace++) {
              expect(sortSpans(store.trace(hexId(trace)))).toEqual(sortSpans(oracle.trace(hexId(trace))));
            }
            expect(store.services()).toEqual(oracle.services());
            for (const service of SERVICES)
              expect(store.spanNames(service)).toEqual(oracle.spanNames(service));
            for (const query of QUERIES) expect(listIds(store, query)).toEqual(oracle.find(query));
          },
        ),
        { numRuns: runs },
      );
    });
  });
}

const SERVICES = ["a", "b", "c"];

const QUERIES: readonly TraceQuery[] = [
  EVERYTHING,
  { endTs: 4, lookback: 2, limit: 10 },
  { endTs: 5, lookback: 5, limit: 2 },
  ...SERVICES.flatMap((serviceName) => [
    { ...EVERYTHING, serviceName },
    { ...EVERYTHING, serviceName, spanName: "get" },
    { endTs: 5, lookback: 3, limit: 1, serviceName },
  ]),
  { ...EVERYTHING, spanName: "put" },
];

/** Few values, so that ids, names and times often collide. */
function anySpan(): fc.Arbitrary<Span> {
  const fields = fc.record(
    {
      id: fc.nat(4).map(hexId),
      timestamp: fc.integer({ min: 1, max: 6000 }),
      name: fc.constantFrom("get", "put"),
      localEndpoint: fc.constantFrom(...SERVICES).map((serviceName) => ({ serviceName })),
    },
    { requiredKeys: ["id"] },
  );
  return fc.tuple(fc.nat(5).map(hexId), fields).map(([traceId, span]) => ({ traceId, ...span }));
}

/** A slow and obvious implementation of the store. */
class ListOfSpans {
  #spans: Span[] = [];
  #evicted = 0;
  #refused = 0;
  #duplicates = 0;
  readonly #maxSpans: number;

  constructor(maxSpans: number) {
    this.#maxSpans = maxSpans;
  }

  add(spans: readonly Span[]): void {
    for (const span of spans) {
      const trace = this.trace(span.traceId) ?? [];
      if (trace.some((other) => Bun.deepEquals(other, span))) this.#duplicates++;
      else if (trace.length + 1 > Math.ceil(0.9 * this.#maxSpans)) this.#refused++;
      else this.#spans.push(span);
    }
    while (this.#spans.length > this.#maxSpans) {
      const oldest = this.#idsByStart()[0];
      const left = this.#spans.filter((span) => span.traceId !== oldest);
      this.#evicted += this.#spans.length - left.length;
      this.#spans = left;
    }
  }

  trace(traceId: string): Span[] | undefined {
    const spans = this.#spans.filter((span) => span.traceId === traceId);
    return spans.length > 0 ? spans : undefined;
  }

  find({ serviceName, spanName, endTs, lookback, limit }: TraceQuery): string[] {
    const found = this.#idsByStart().filter((traceId) => {
      const start = this.#startOf(traceId);
      if (start === 0 || start > endTs * 1000 || start < (endTs - lookback) * 1000) return false;
      return this.trace(traceId)?.some(
        (span) =>
          (serviceName === undefined || span.localEndpoint?.serviceName === serviceName) &&
          (spanName === undefined || span.name === spanName),
      );
    });
    return found.reverse().slice(0, limit);
  }

  services(): string[] {
    return distinct(this.#spans.map((span) => span.localEndpoint?.serviceName));
  }

  spanNames(serviceName: string): string[] {
    const spans = this.#spans.filter((span) => span.localEndpoint?.serviceName === serviceName);
    return distinct(spans.map((span) => span.name));
  }

  counts(): StoreCounts {
    return {
      traces: this.#idsByStart().length,
      spans: this.#spans.length,
      evictedSpans: this.#evicted,
      refusedSpans: this.#refused,
      duplicateSpans: this.#duplicates,
    };
  }

  #idsByStart(): string[] {
    const ids = distinct(this.#spans.map((span) => span.traceId));
    return ids.sort((a, b) => this.#startOf(a) - this.#startOf(b));
  }

  #startOf(traceId: string): number {
    const timed = this.trace(traceId)?.filter((span) => span.timestamp !== undefined) ?? [];
    const root = timed.find((span) => span.parentId === undefined);
    if (root?.timestamp !== undefined) return root.timestamp;
    const starts = timed.flatMap((span) => span.timestamp ?? []);
    return starts.length > 0 ? Math.min(...starts) : 0;
  }
}

function distinct(values: readonly (string | undefined)[]): string[] {
  return [...new Set(values.filter((value) => value !== undefined))].sort();
}

function listIds(store: TraceStore, query: TraceQuery): (string | undefined)[] {
  return store.traces(query).map((spans) => spans[0]?.traceId);
}

function sortSpans(spans: readonly Span[] | undefined): string[] | undefined {
  return spans
    ?.map(({ tags = {}, ...span }) =>
      JSON.stringify([Object.entries(span).sort(), Object.entries(tags).sort()]),
    )
    .sort();
}
