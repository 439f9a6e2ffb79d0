import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import type { Span } from "../../src/trace/span.ts";
import { eventually } from "../helpers/cli.ts";
import { hexId, newTraceId } from "./spans.ts";

const TRACES = 150;
/** Traces start so far apart that a window cuts through at most one of them; several would come in another order. */
const SPACING_MS = 60_000;
/** Long ago, far from all other spans in this Zipkin, including those of earlier runs. */
const START_MS = 1_000_000_000_000 + (Math.floor(Date.now() / 1000) % 50_000) * 10_000_000;
const SEED = Number(process.env.DIFFERENTIAL_SEED ?? 20261128);

/** URLs have a maximum length. */
const IDS_AT_ONCE = 50;

const SERVICES = ["differs-a", "differs-B", "differs-c", "differs-d"];
const NAMES = ["get", "PUT", "post /é", ""];
const KEYS = ["http.method", "error", "color"];
const VALUES = ["GET", "", "red", "a=b"];

/**
 * Sends the same random batches and queries to our collector and to a real Zipkin.
 * It leaves out known and intended differences: input that we reject and Zipkin accepts (a span ID of zeros, text after
 * the list); traces with several roots (Zipkin takes the time of the root that it happens to store first); and
 * dependencies where three or more spans with one ID contradict each other (1 in 150 of these traces, where Zipkin's
 * choice of parents is accidental).
 */
export function describeDifferences(urlOf: () => string): void {
  describe("random spans in our collector and in a real Zipkin", () => {
    const traces = fc.sample(fc.array(anySpan(), { minLength: 1, maxLength: 12 }), {
      numRuns: TRACES,
      seed: SEED,
    });
    const spans = traces.flatMap((trace, index) => placeTrace(trace, index));
    const ids = [...new Set(spans.map(({ traceId }) => traceId))];
    let ours: Collector;

    beforeAll(async () => {
      ours = startCollector({ host: "127.0.0.1", port: 0 });
      for (const batch of fc.sample(shuffledBatches(spans), { numRuns: 1, seed: SEED })[0] ?? []) {
        for (const url of [ours.url, urlOf()]) {
          const response = await fetch(`${url}/api/v2/spans`, {
            method: "POST",
            body: JSON.stringify(batch),
          });
          expect([response.status, await response.text()]).toEqual([202, ""]);
        }
      }
      // Zipkin stores spans after its answer.
      for (let start = 0; start < ids.length; start += IDS_AT_ONCE) {
        const query = `traceMany?traceIds=${ids.slice(start, start + IDS_AT_ONCE).join(",")}`;
        const wanted = countSpans(await ask(ours.url, query));
        await eventually(async () => countSpans(await ask(urlOf(), query)) === wanted || undefined);
      }
    }, 60_000);
    afterAll(() => ours.stop());

    const same = async (query: string) => {
      const [found, wanted] = await Promise.all([ask(ours.url, query), ask(urlOf(), query)]);
      expect(canonical(found), query).toEqual(canonical(wanted));
      return found;
    };

    test("both return the same traces by ID, span by span", async () => {
      for (const id of ids) await same(`trace/${id}`);
    });

    test("both return the same names", async () => {
      for (const service of [...SERVICES, "no-such-service"]) {
        await same(`spans?serviceName=${service}`);
        await same(`remoteServices?serviceName=${service}`);
      }
    });

    test("both return the same dependencies, in any window", async () => {
      for (const share of [1, 0.5, 0.1]) {
        const lookback = Math.ceil(TRACES * share) * SPACING_MS - SPACING_MS / 2;
        const links = await same(`dependencies?endTs=${endOf(TRACES)}&lookback=${lookback}`);
        expect(links).not.toEqual([]);
      }
    });

    test("both find the same traces in the same order", async () => {
      let found = 0;
      for (const query of fc.sample(anyQuery(), { numRuns: 300, seed: SEED })) {
        const traces = await same(`traces?${new URLSearchParams(query)}`);
        if ((traces as unknown[]).length > 0) found++;
      }
      expect(found).toBeGreaterThan(100);
    });
  });
}

/** In the middle of a trace, so that a window contains only some of its spans. */
function endOf(trace: number): number {
  return START_MS + trace * SPACING_MS + 2500;
}

async function ask(url: string, query: string): Promise<unknown> {
  const response = await fetch(`${url}/api/v2/${query}`);
  expect(response.status, query).toBe(200);
  return response.json();
}

function countSpans(traces: unknown): number {
  return (traces as unknown[][]).reduce((sum, trace) => sum + trace.length, 0);
}

/** Sorts spans of a trace and links, which come in no particular order. Traces keep theirs. */
function canonical(answer: unknown): unknown {
  if (!Array.isArray(answer)) return answer;
  if (answer.every(Array.isArray)) return answer.map(canonical);
  return answer.map((item) => JSON.stringify(sortKeys(item))).sort();
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sortKeys(item)]),
  );
}

/** Few ids, so that parents, halves of shared spans and duplicates occur. */
function anySpan(): fc.Arbitrary<Omit<Span, "traceId">> {
  const endpoint = fc.record(
    {
      serviceName: fc.constantFrom(...SERVICES),
      ipv4: fc.constantFrom("10.0.0.1", "10.0.0.2"),
      port: fc.constantFrom(80, 8080),
    },
    { requiredKeys: [] },
  );
  return fc.record(
    {
      id: fc.integer({ min: 1, max: 6 }).map(hexId),
      parentId: fc.integer({ min: 1, max: 7 }).map(hexId),
      kind: fc.constantFrom("CLIENT", "SERVER", "PRODUCER", "CONSUMER"),
      name: fc.constantFrom(...NAMES),
      timestamp: fc.nat(5_000_000),
      duration: fc.integer({ min: 1, max: 9 }).map((it) => it * 1000),
      localEndpoint: endpoint,
      remoteEndpoint: endpoint,
      tags: fc.dictionary(fc.constantFrom(...KEYS), fc.constantFrom(...VALUES)),
      annotations: fc.array(
        fc.record({ timestamp: fc.integer({ min: 1, max: 9 }), value: fc.constantFrom("color", "ws") }),
        { maxLength: 2 },
      ),
      shared: fc.boolean(),
      debug: fc.boolean(),
    },
    { requiredKeys: ["id", "timestamp"] },
  );
}

function placeTrace(trace: readonly Omit<Span, "traceId">[], index: number): Span[] {
  const traceId = index % 3 === 0 ? newTraceId() : `${hexId(index + 1)}${newTraceId()}`;
  const startMicros = (START_MS + index * SPACING_MS) * 1000;
  const spans = halvesOf(trace);
  // A span that is its own parent has no parent.
  const isRoot = ({ id, parentId }: Omit<Span, "traceId">) => parentId === undefined || parentId === id;
  const root = spans.find(isRoot);
  return spans.map((span) => ({
    ...span,
    ...(isRoot(span) && span !== root && { parentId: hexId(7) }),
    traceId,
    timestamp: startMicros + (span.timestamp ?? 0),
  }));
}

/** At most two spans with one ID: a client and a server half, or one span in two pieces. */
function halvesOf(trace: readonly Omit<Span, "traceId">[]): Omit<Span, "traceId">[] {
  return [...Map.groupBy(trace, ({ id }) => id).values()].flatMap((spans) => spans.slice(0, 2));
}

function shuffledBatches(spans: readonly Span[]): fc.Arbitrary<Span[][]> {
  return fc.shuffledSubarray([...spans], { minLength: spans.length }).map((shuffled) => {
    const batches: Span[][] = [];
    for (let start = 0, size = 1; start < shuffled.length; start += size, size = (size * 7) % 41 || 1)
      batches.push(shuffled.slice(start, start + size));
    return batches;
  });
}

function anyQuery(): fc.Arbitrary<Record<string, string>> {
  const annotation = fc.constantFrom(
    "error",
    "color",
    "color=red",
    "http.method=GET",
    "ws",
    "color=a=b",
    "error and color",
    "nothing",
  );
  return fc
    .record(
      {
        serviceName: fc.constantFrom(...SERVICES),
        remoteServiceName: fc.constantFrom(...SERVICES),
        spanName: fc.constantFrom(...NAMES, "all"),
        annotationQuery: annotation,
        minDuration: fc.integer({ min: 1, max: 9 }).map((it) => String(it * 1000)),
        limit: fc.integer({ min: 1, max: 40 }).map(String),
        window: fc.tuple(fc.nat(TRACES), fc.integer({ min: 1, max: TRACES })),
      },
      { requiredKeys: ["window"] },
    )
    .map(({ window: [from, length], ...query }) => ({
      ...query,
      ...(query.minDuration !== undefined && from % 2 === 0 && { maxDuration: "6000" }),
      endTs: String(endOf(from + length)),
      lookback: String(length * SPACING_MS),
    }))
    .filter(({ minDuration, maxDuration }) => maxDuration === undefined || Number(minDuration) <= 6000);
}
