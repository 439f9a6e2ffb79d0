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
  fc.oneof({ arbitrary: usual, weight: 30 }, { arbitrary: rare, weight: 1 });

const hex = (digits: number) =>
  often(
    fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: digits, maxLength: digits }),
    fc.constantFrom("0".repeat(digits), `${"0".repeat(digits - 1)}1`, `1${"0".repeat(digits - 1)}`),
  );
const id = hex(16);
const time = fc.oneof(
  fc.nat(2 ** 31 - 1),
  fc.maxSafeNat(),
  fc.constantFrom(0, 1, 127, 128, 1_700_000_000_000_000),
);

/** A span of a link, with ids and times as they may be. */
const alike = fc
  .record({
    which: fc.nat(4),
    traceId: fc.oneof(
      hex(32),
      id,
      id.map((low) => "0".repeat(16) + low),
    ),
    id,
    parentId: fc.option(fc.oneof(id, fc.constant("same"))),
    timestamp: time,
    duration: time,
  })
  .map(({ which, parentId, ...fields }): Span => {
    const { parentId: _, ...span } = makeChain("1".repeat(16), 3, 1)[which] as Span;
    const parent = parentId === "same" ? fields.id : parentId;
    return { ...span, ...fields, ...(parent !== null && { parentId: parent }) };
  });

const DAMAGE = Buffer.from('"0az}],{[ \\\x00\x0a\xff.-e', "latin1");

/** Some bytes of a body replaced, put in or taken out. */
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

describe("spans that are like others are what a parser of each finds", () => {
  test("in JSON, also where something is wrong", () => {
    let known = 0;
    fc.assert(
      fc.property(fc.array(alike, { maxLength: 12 }), damages, (spans, places) => {
        const body = damage(Buffer.from(JSON.stringify(spans)), places);
        const found = outcomeOf(() => [...decodeZipkinSlices(body)].flat());
        expect(found).toEqual(outcomeOf(() => decodeZipkinJson(body)));
        if (Array.isArray(found)) known += found.filter(({ tags }: Span) => tags && areShared(tags)).length;
      }),
      { numRuns: 2000 },
    );
    expect(known).toBeGreaterThan(1000);
  });

  test("in protobuf, also where something is wrong", () => {
    const patterns = new SpanPatterns();
    const single = (message: Uint8Array, read: SpanPatterns) =>
      outcomeOf(() => [...decodeZipkinProtobuf(message, read)].flat());
    let known = 0;
    fc.assert(
      fc.property(alike, damages, (span, places) => {
        const body = damage(Buffer.from(encodeZipkinProtobuf([span])), places);
        const found = single(body, patterns);
        expect(found).toEqual(single(body, new SpanPatterns()));
        if (Array.isArray(found)) known += found.filter(({ tags }: Span) => tags && areShared(tags)).length;
      }),
      { numRuns: 5000 },
    );
    expect(known).toBeGreaterThan(1000);
  });
});

test("spans of one call have the same tags, so that they are encoded once", () => {
  const [span] = makeChain("5".repeat(16), 2, 1);
  const bodies = ["6", "7"].map((digit) => JSON.stringify([{ ...span, id: digit.repeat(16) }]));
  const [first, second] = bodies.map((body) => [...decodeZipkinSlices(Buffer.from(body))].flat()[0]);
  expect(second?.tags).toBe(first?.tags as NonNullable<Span["tags"]>);
  expect(second?.id).toBe("7".repeat(16));
});

test("what is no JSON is refused, also where it is like a span before", () => {
  const bodyOf = (id: string, timestamp: string) =>
    Buffer.from(`[{"traceId":"${"1".repeat(16)}","id":${id},"timestamp":${timestamp},"tags":{"a":"b"}}]`);
  const read = (body: Buffer) => [...decodeZipkinSlices(body)].flat();
  // Numbers are taken as the text that they are, as in Zipkin.
  expect(read(bodyOf("1234567890123456", "5"))[0]?.id).toBe("1234567890123456");
  expect(() => read(bodyOf("12345678901234ab", "5"))).toThrow(ZipkinError);
  expect(read(bodyOf('"1234567890123456"', "5"))[0]?.timestamp).toBe(5);
  expect(() => read(bodyOf('"1234567890123456"', "05"))).toThrow(ZipkinError);
  expect(() => read(bodyOf('"1234567890123456"', "5."))).toThrow(ZipkinError);
});
