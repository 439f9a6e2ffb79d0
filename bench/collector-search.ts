import assert from "node:assert/strict";
import type { Span } from "../src/trace/span.ts";
import { CollectorProcess } from "./collector-process.ts";
import { median } from "./process.ts";
import { frame, makeBatches, makeTrace } from "./span-batches.ts";

const LIMIT = 10;
const TIMES = 15;
const SLOW_MICROS = 60_000_000;

/** Returns how long it takes to find the last ten traces, in milliseconds, by search criterion. */
export async function measureSearch(spans: number): Promise<[what: string, ms: number][]> {
  const collector = await CollectorProcess.ours("in memory", "--max-spans", String(spans * 2));
  try {
    // The oldest traces: a search that starts with the newest finds them last.
    const rare = Array.from({ length: LIMIT }, makeTrace).map((trace) => trace.map(makeRare));
    await collector.send(
      frame("/api/v2/spans", "Content-Type: application/json\r\n", JSON.stringify(rare.flat())),
    );
    for (let sent = 0; sent < spans; sent += spans / 10)
      await collector.take(makeBatches("protobuf", spans / 10));
    const queries = {
      "a service of all traces": "serviceName=chain-link-service-3",
      "a service of ten traces": "serviceName=rare",
      "a tag of all traces": "annotationQuery=http.status_code%3D200",
      "a tag of ten traces": "annotationQuery=color%3Dmauve",
      "service and tag of ten traces": "serviceName=rare&annotationQuery=color%3Dmauve",
      "a duration of all traces": "minDuration=1",
      "a duration of ten traces": `minDuration=${SLOW_MICROS}`,
    };
    const found: [string, number][] = [];
    for (const [what, query] of Object.entries(queries)) {
      const path = `/api/v2/traces?limit=${LIMIT}&${query}`;
      const traces = (await (await fetch(`${collector.url}${path}`)).json()) as unknown[];
      assert.equal(traces.length, LIMIT, what);
      const times: number[] = [];
      for (let count = 0; count < TIMES; count++) times.push(await collector.time(path));
      console.log(`search by ${what}: ${median(times).toFixed(1)} ms`);
      found.push([what, median(times)]);
    }
    return found;
  } finally {
    await collector.stop();
  }
}

function makeRare(span: Span, index: number): Span {
  const timestamp = (span.timestamp ?? 0) - 3_600_000_000;
  if (index > 0) return { ...span, timestamp };
  return {
    ...span,
    timestamp,
    duration: SLOW_MICROS,
    localEndpoint: { serviceName: "rare" },
    tags: { color: "mauve" },
  };
}
