import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { encodeOtlpProtobuf } from "../../src/trace/otlp.ts";
import { BATCH_BYTES, type OtlpBatch } from "../../src/trace/otlp-batches.ts";
import { decodeOtlpJson } from "../../src/trace/otlp-json-decode.ts";
import { decodeOtlpProtobuf } from "../../src/trace/otlp-protobuf-decode.ts";
import { OtlpError } from "../../src/trace/otlp-span.ts";
import { hexId, makeChain } from "../collector/spans.ts";

const PADDING = "x".repeat(BATCH_BYTES);

function join(batches: Iterable<OtlpBatch>) {
  const all = [...batches];
  return {
    spans: all.flatMap(({ spans }) => spans),
    rejected: all.reduce((sum, { rejected }) => sum + rejected, 0),
    message: all.find(({ message }) => message !== "")?.message,
  };
}

function decode(text: string): ReturnType<typeof join> | "refused" {
  try {
    return join(decodeOtlpJson(Buffer.from(text)));
  } catch (error) {
    expect(error).toBeInstanceOf(OtlpError);
    return "refused";
  }
}

/** Requests with keys in any order, unknown names and malformed ids. */
const text = fc.constantFrom("a", "B", "service.name", "é", "");
const attributes = fc.array(fc.record({ key: text, value: fc.record({ stringValue: text }) }), {
  maxLength: 2,
});
const span = fc.record(
  {
    spanId: fc.nat().map(hexId),
    traceId: fc.constantFrom(`${hexId(1)}${hexId(2)}`, "12"),
    name: text,
    kind: fc.nat(5),
    startTimeUnixNano: fc.nat().map(String),
    attributes,
  },
  { requiredKeys: ["traceId", "spanId"] },
);
const scopeSpans = fc.record(
  {
    spans: fc.option(fc.array(span, { maxLength: 3 })),
    scope: fc.record({ name: text }),
    other: fc.jsonValue(),
  },
  { requiredKeys: [] },
);
const resourceSpans = fc.record(
  {
    scopeSpans: fc.option(fc.array(scopeSpans, { maxLength: 3 })),
    schemaUrl: text,
    resource: fc.option(fc.record({ attributes })),
  },
  { requiredKeys: [] },
);
const request = fc.record({
  resourceSpans: fc.array(resourceSpans, { maxLength: 3 }),
  other: fc.jsonValue(),
});

describe("OTLP JSON in slices", () => {
  test("has the same spans as JSON parsed as a whole", () => {
    fc.assert(
      fc.property(request, fc.constantFrom(undefined, 1), (it, space) => {
        const small = decode(JSON.stringify(it));
        expect(small).not.toBe("refused");
        expect(decode(JSON.stringify({ ...it, padding: PADDING }, null, space))).toEqual(small);
      }),
    );
  });

  test("is refused if JSON parsed as a whole is refused", () => {
    const places = fc.tuple(fc.nat(), fc.constantFrom(...'[]{},:"\\ 1tn'), fc.nat(1));
    fc.assert(
      fc.property(request, places, (it, [place, character, removed]) => {
        const whole = JSON.stringify(it);
        const at = 1 + (place % (whole.length - 1));
        const damaged = whole.slice(0, at) + character + whole.slice(at + removed);
        const padded = damaged.replace(/^\{/, `{"padding":"${PADDING}",`);
        expect(decode(padded === damaged ? damaged : padded)).toEqual(decode(damaged));
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ["null followed by garbage in place of a list", '{"resourceSpans":null\\}'],
    ["a duplicate key whose first value is malformed", '{"resourceSpans":[tru],"resourceSpans":[]}'],
  ])("with %s is refused in both ways", (_, damaged) => {
    expect(decode(damaged)).toBe("refused");
    expect(decode(damaged.replace("{", `{"padding":"${PADDING}",`))).toBe("refused");
  });

  test("of a large batch comes in many pieces", () => {
    const spans = Array.from({ length: 5000 }, (_, index) => ({
      traceId: hexId(1) + hexId(2),
      spanId: hexId(index + 1),
    }));
    const body = Buffer.from(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }));
    const batches = [...decodeOtlpJson(body)];
    expect(batches.length).toBeGreaterThan(2);
    expect(join(batches).spans.map(({ id }) => id)).toEqual(spans.map(({ spanId }) => spanId));
  });
});

test("a large batch of OTLP protobuf comes in many pieces, even if it has only a few large spans", () => {
  const resource = { attributes: { "service.name": "a" }, scope: { name: "", version: "" } };
  const small = makeChain(`${hexId(1)}${hexId(2)}`, 1000, 1);
  expect([...decodeOtlpProtobuf(encodeOtlpProtobuf(small, resource))].length).toBeGreaterThan(2);
  const large = small.slice(0, 10).map((it) => ({ ...it, tags: { large: PADDING } }));
  const batches = [...decodeOtlpProtobuf(encodeOtlpProtobuf(large, resource))];
  expect(batches.length).toBeGreaterThan(9);
  expect(join(batches).spans).toHaveLength(10);
});
