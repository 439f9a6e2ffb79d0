import { gzipSync } from "node:zlib";
import type { Span } from "../src/trace/span.ts";
import { CollectorProcess } from "./collector-process.ts";
import { median } from "./process.ts";
import { FORMATS, type FormatName, frame, makeBatches, makeTrace } from "./span-batches.ts";

const MAX_BYTES = 10 * 1024 * 1024;
const TIMES = 5;

/** Enough for all batches, so that the collector does not evict the trace that is looked up. */
const MAX_SPANS = "4000000";

/** Returns the longest lookup of a trace while the collector decodes a batch of nearly 10 MiB, in milliseconds. */
export async function measurePauses(): Promise<[what: string, ms: number][]> {
  const collector = await CollectorProcess.ours("in memory", "--max-spans", MAX_SPANS);
  try {
    const asked = makeBatches("JSON", 1);
    await collector.take(asked);
    const found: [string, number][] = [];
    for (const format of Object.keys(FORMATS) as FormatName[]) {
      for (const isGzip of [false, true]) {
        const worst: number[] = [];
        // The first round compiles the code and does not count.
        for (let time = 0; time <= TIMES; time++)
          worst.push(await longestLookUp(collector, makeBigRequest(format, isGzip), asked.samples[0] ?? ""));
        const what = `${format}${isGzip ? ", gzip" : ""}`;
        console.log(`pauses, ${what}: ${worst.map((ms) => ms.toFixed(1)).join(", ")} ms`);
        found.push([what, median(worst.slice(1))]);
      }
    }
    return found;
  } finally {
    await collector.stop();
  }
}

async function longestLookUp(collector: CollectorProcess, request: Buffer, traceId: string): Promise<number> {
  let isTaken = false;
  const sent = collector.send(request).then(() => {
    isTaken = true;
  });
  let longest = 0;
  while (!isTaken) longest = Math.max(longest, await collector.time(`/api/v2/trace/${traceId}`));
  await sent;
  return longest;
}

function makeBigRequest(format: FormatName, isGzip: boolean): Buffer {
  const { path, type, encode } = FORMATS[format];
  const sizeOf = (spans: readonly Span[]) => Buffer.byteLength(encode(spans));
  const trace = Array.from({ length: 50 }, makeTrace).flat();
  const count = Math.floor((MAX_BYTES * 0.97) / (sizeOf(trace) / 50));
  const body = Buffer.from(encode(Array.from({ length: count }, makeTrace).flat()));
  const headers = `Content-Type: ${type}\r\n${isGzip ? "Content-Encoding: gzip\r\n" : ""}`;
  return frame(path, headers, isGzip ? gzipSync(body, { level: 1 }) : body);
}
