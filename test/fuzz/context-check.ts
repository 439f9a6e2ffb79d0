import { ByteWriter } from "../../src/http/byte-writer.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import { RequestHead } from "../../src/http/request-head.ts";
import { RequestContext } from "../../src/link/request-context.ts";
import { extractContext, type IncomingContext } from "../../src/trace/context.ts";
import { isRunId, RunIds } from "../../src/trace/run.ts";
import { seededRandom } from "./http-inputs.ts";

/** A request of the load generator, which uses the low half of its trace ID as the parent ID. */
const OF_RUN = new RunIds("0af7651916cd43dd").traceId(41);
const HEX = "0123456789abcdef";
const FORMS = [
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03",
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe",
  "00-0af7651916cd43dd8448eb211c80319c-8448eb211c80319c-01",
  `00-${OF_RUN}-${OF_RUN.slice(16)}-01`,
  "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes",
  "00-00000000000000000000000000000000-b7ad6b7169203331-01",
  "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-d",
  "8448eb211c80319c-b7ad6b7169203331-1-05e3ac9a4f6e3b90",
  "0",
  "1",
  "true",
  "8448eb211c80319c",
  "foo=1,bar=2",
];
const NAMES = [
  "traceparent",
  "tracestate",
  "b3",
  "X-B3-TraceId",
  "X-B3-SpanId",
  "X-B3-Sampled",
  "X-B3-Flags",
  "baggage",
  "x-request-id",
  "user-agent",
];

/**
 * Checks one request with broken context headers, which depends only on the seed. The link's in-place reader must agree
 * with the plain extraction, and the forwarded headers must be a valid context of the same trace.
 * @throws {Error} if they differ
 */
export function checkContext(seed: number): void {
  const random = seededRandom(seed);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
  const lines = Array.from({ length: Math.floor(random() * 4) }, () => {
    const name = random() < 0.6 ? "traceparent" : pick(NAMES);
    return `${random() < 0.2 ? name.toUpperCase() : name}: ${mutate(pick(FORMS), random, pick)}\r\n`;
  });
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${lines.join("")}\r\n`, "latin1");
  const head = new RequestHead();
  if (head.scan(bytes, 0, bytes.length) !== bytes.length) return;
  const header = (name: string) => head.fields.get(name);
  const expected = extractContext(header);
  const context = new RequestContext();
  context.start({ head, header } as Exchange, ["tracecontext"], () => true);
  const root = expected.source === "tracecontext" && isGenerated(expected.traceId ?? "", expected.parentId);
  const found = {
    traceId: context.isStart ? null : context.traceId,
    sampled: context.isSampled,
    random: context.isRandom,
    debug: context.isDebug,
    isRoot: context.parentAt === -1,
  };
  const wanted = {
    traceId: expected.traceId,
    sampled: expected.sampled ?? true,
    random: expected.random || expected.traceId === null,
    debug: expected.debug,
    isRoot: root || expected.parentId === null,
  };
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(
      `found ${JSON.stringify(found)}, wanted ${JSON.stringify(wanted)}: ${JSON.stringify(lines)}`,
    );
  }
  checkSentOn(context, head, expected, lines);
}

function isGenerated(traceId: string, parentId: string | null): boolean {
  const run = traceId.slice(0, 16);
  if (traceId.slice(16) !== parentId || !isRunId(run)) return false;
  const sequence = new RunIds(run).sequenceOf(traceId);
  return sequence !== null && sequence < 2 ** 32 - 1;
}

function checkSentOn(
  context: RequestContext,
  head: RequestHead,
  { forms, tracestate }: IncomingContext,
  lines: readonly string[],
): void {
  const out = new ByteWriter();
  context.writeTo(out, head.fields, Buffer.from("00f067aa0ba902b7"));
  const bytes = Buffer.concat([
    Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n"),
    out.take(),
    Buffer.from("\r\n"),
  ]);
  const next = new RequestHead();
  if (next.scan(bytes, 0, bytes.length) !== bytes.length)
    throw new Error(`not a head: ${JSON.stringify(lines)}`);
  const passed = extractContext((name) => next.fields.get(name));
  const isSame = passed.traceId?.padStart(32, "0") === context.traceId.padStart(32, "0");
  // Without a format that carries ids, no ids are sent.
  const isWhole =
    isSame &&
    passed.sampled === context.isSampled &&
    (passed.source !== "tracecontext" || passed.random === context.isRandom);
  const hasState = !forms.includes("tracecontext") || passed.tracestate === tracestate;
  if (passed.traceId !== null && !(isWhole && hasState)) {
    throw new Error(`sent on as ${JSON.stringify(passed)}: ${JSON.stringify(lines)}`);
  }
}

function mutate(text: string, random: () => number, pick: <T>(all: readonly T[]) => T): string {
  let mutated = text;
  while (random() < 0.5) {
    const at = Math.floor(random() * (mutated.length + 1));
    const piece =
      random() < 0.6 ? pick([...HEX]) : pick(["-", "", "g", "A", " ", ",", "\t", "é", "--", "00"]);
    mutated = mutated.slice(0, at) + piece + mutated.slice(at + Math.floor(random() * 2));
  }
  return mutated;
}
