import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Span } from "../../src/trace/span.ts";
import { areShared, SpanPatterns } from "../../src/trace/span-patterns.ts";
import { ZipkinError } from "../../src/trace/zipkin-fields.ts";
import { decodeZipkinJson, decodeZipkinSlices } from "../../src/trace/zipkin-json.ts";
import { decodeZipkinProtobuf } from "../../src/trace/zipkin-protobuf.ts";
import { makeChain } from "../collector/spans.ts";
import { encodeZipkinProtobuf } from "../helpers/zipkin-protobuf.ts";

const often = <T>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<T>) =>
  fc.oneof({ arbitrary: usual, weight: 200 }, { arbitrary: rare, weight: 1 });

const hex = (digits: number) =>
  often(
    // Most random ids would be all zeros, which are refused.
    fc.noBias(
      fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: digits, maxLength: digits }),
    ),
    fc.constantFrom("0".repeat(digits), `${"0".repeat(digits - 1)}1`, `1${"0".repeat(digits - 1)}`),
  );
const id = hex(16);
const time = often(
  fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 1, 127, 128, 1_700_000_000_000_000)),
);

/** A span of a link, with arbitrary ids and times. */
const alike = fc
  .record({
    which: fc.nat(1),
    traceId: often(
      hex(32),
      fc.oneof(
        id,
        id.map((low) => "0".repeat(16) + low),
      ),
    ),
    id,
    parentId: often<string | null>(id, fc.constantFrom("same", null)),
    timestamp: time,
    duration: time,
  })
  .map(({ which, parentId, ...fields }): Span => {
    const { parentId: _, ...span } = makeChain("1".repeat(16), 3, 1)[which] as Span;
    const parent = parentId === "same" ? fields.id : parentId;
    return { ...span, ...fields, ...(parent !== null && { parentId: parent }) };
  });

const DAMAGE = Buffer.from('"0az}],{[ \\\x00\x0a\xff.-e', "latin1");

/** Replaces, inserts or removes some bytes of a body. */
const damages = fc.oneof(
  fc.constant([]),
  fc.array(fc.tuple(fc.nat(), fc.nat(DAMAGE.length - 1), fc.nat(2)), { maxLength: 2 }),
);

function damage(body: Buffer, places: readonly (readonly [number, number, number])[]): Buffer {
  let bytes = body;
  for (const [place, character, kind] of places) {
    const at = place % (bytes.length + 1);
    const put = kind === 2 ? Buffer.alloc(0) : DAMAGE.subarray(character, character + 1);
    bytes = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + (kind > 0 ? 1 : 0))]);
  }
  return bytes;
}

function outcomeOf(read: () => Iterable<Span>): unknown {
  try {
    return [...read()];
  } catch (error) {
    return (error as Error).message;
  }
}

/** Whole batches first: spans that match a pattern earn the credit for learning new ones. */
const batch = fc.array(alike, { minLength: 16, maxLength: 24 });

describe("spans read by patterns equal those of a full parser", () => {
  test("in JSON, even if something is malformed", () => {
    let known = 0;
    fc.assert(
      fc.property(batch, damages, (spans, places) => {
        const body = Buffer.from(JSON.stringify(spans));
        for (const read of [body, damage(body, places)]) {
          const found = outcomeOf(() => [...decodeZipkinSlices(read)].flat());
          expect(found).toEqual(outcomeOf(() => decodeZipkinJson(read)));
          if (Array.isArray(found)) known += countShared(found);
        }
      }),
      { numRuns: 500 },
    );
    expect(known).toBeGreaterThan(2000);
  });

  test("in protobuf, even if something is malformed", () => {
    const patterns = new SpanPatterns();
    let known = 0;
    fc.assert(
      fc.property(batch, damages, (spans, places) => {
        const bodies = spans.map((span) => Buffer.from(encodeZipkinProtobuf([span])));
        for (const read of [...bodies, ...bodies.slice(0, 2).map((body) => damage(body, places))]) {
          const found = outcomeOf(() => [...decodeZipkinProtobuf(read, patterns)].flat());
          expect(found).toEqual(outcomeOf(() => [...decodeZipkinProtobuf(read, new SpanPatterns())].flat()));
          if (Array.isArray(found)) known += countShared(found);
        }
      }),
      { numRuns: 500 },
    );
    expect(known).toBeGreaterThan(2000);
  });
});

test("a span that ends earlier than its pattern is not read past its end", () => {
  const [span] = makeChain("9".repeat(32), 1, 1) as [Span];
  const tags = Object.entries(span.tags ?? {});
  const read = (body: Uint8Array) => [...decodeZipkinProtobuf(body)].flat();
  expect(read(encodeZipkinProtobuf([span]))).toEqual([span]);
  for (const count of tags.keys()) {
    const shorter = { ...span, tags: Object.fromEntries(tags.slice(0, count + 1)) };
    // In memory of its own, with no bytes after it.
    expect(read(Uint8Array.from(encodeZipkinProtobuf([shorter])))).toEqual([shorter]);
  }
});

function countShared(spans: readonly Span[]): number {
  return spans.filter(({ tags }) => tags !== undefined && areShared(tags)).length;
}

test("spans of one call share one object of tags, which is encoded once", () => {
  const [span] = makeChain("5".repeat(16), 2, 1);
  const bodies = ["6", "7"].map((digit) => JSON.stringify([{ ...span, id: digit.repeat(16) }]));
  const [first, second] = bodies.map((body) => [...decodeZipkinSlices(Buffer.from(body))].flat()[0]);
  expect(second?.tags).toBe(first?.tags as NonNullable<Span["tags"]>);
  expect(second?.id).toBe("7".repeat(16));
});

test("malformed JSON is refused, even if it resembles an earlier span", () => {
  const bodyOf = (id: string, timestamp: string) =>
    Buffer.from(`[{"traceId":"${"1".repeat(16)}","id":${id},"timestamp":${timestamp},"tags":{"a":"b"}}]`);
  const read = (body: Buffer) => [...decodeZipkinSlices(body)].flat();
  // Numbers become the text with which they were written, as in Zipkin.
  expect(read(bodyOf("1234567890123456", "5"))[0]?.id).toBe("1234567890123456");
  expect(() => read(bodyOf("12345678901234ab", "5"))).toThrow(ZipkinError);
  expect(read(bodyOf('"1234567890123456"', "5"))[0]?.timestamp).toBe(5);
  expect(() => read(bodyOf('"1234567890123456"', "05"))).toThrow(ZipkinError);
  expect(() => read(bodyOf('"1234567890123456"', "5."))).toThrow(ZipkinError);
});
