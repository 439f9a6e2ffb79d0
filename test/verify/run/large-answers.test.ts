import { afterAll, expect, test } from "bun:test";
import type { Span } from "../../../src/trace/span.ts";
import { ZipkinReader } from "../../../src/verify/backend/zipkin-reader.ts";
import { hexId } from "../../collector/spans.ts";

/** Size of each trace: three of them exceed the limit of one answer. */
const TRACE_BYTES = 12 * 1024 * 1024;
let bytesOf = (_id: string) => TRACE_BYTES;
let largestAnswer = 0;
const traceOf = (traceId: string): Span[] => [
  { traceId, id: hexId(1), tags: { large: "x".repeat(bytesOf(traceId)) } },
];
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const ids = searchParams.get("traceIds")?.split(",");
    largestAnswer = Math.max(largestAnswer, ids?.length ?? 1);
    return Response.json(ids === undefined ? traceOf(pathname.slice(-32)) : ids.map(traceOf));
  },
});
afterAll(() => server.stop(true));
const reader = new ZipkinReader(server.url.href.replace(/\/$/, ""));
const ids = [1, 2, 3, 4, 5].map((index) => `00000000000000aa${hexId(index)}`);

test("traces that are too large for one answer are all read in smaller groups", async () => {
  const found = await reader.read(ids, AbortSignal.timeout(60_000));
  expect([...found.keys()].sort()).toEqual(ids);
  expect(largestAnswer).toBe(5);
});

test("a single trace above the limit makes the backend unreadable, and the error names the limit", async () => {
  bytesOf = () => 33 * 1024 * 1024;
  await expect(reader.read(ids.slice(0, 1), AbortSignal.timeout(60_000))).rejects.toMatchObject({
    code: "backend-unreadable",
    message: expect.stringContaining("the answer is larger than 32 MiB"),
  });
});
