import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Span } from "../../src/trace/span.ts";
import { ZipkinError } from "../../src/trace/zipkin-fields.ts";
import { decodeZipkinJson } from "../../src/trace/zipkin-json.ts";
import { normalizeTraceId } from "../../src/trace/zipkin-span.ts";

const IDS = { traceId: "000000000000000a", id: "000000000000000b" };

/** The span decoded from these fields, without the added ids. */
function decodeOne(fields: Record<string, unknown>): Partial<Span> {
  const [span] = decodeZipkinJson(JSON.stringify([{ ...IDS, ...fields }]));
  return Object.fromEntries(Object.entries(span ?? {}).filter(([key]) => !(key in IDS) || key in fields));
}

function refusal(text: string | Uint8Array): string {
  try {
    decodeZipkinJson(text);
  } catch (error) {
    expect(error).toBeInstanceOf(ZipkinError);
    return (error as Error).message;
  }
  throw new Error("it was accepted");
}

function refusalOf(fields: Record<string, unknown>): string {
  return refusal(JSON.stringify([{ ...IDS, ...fields }]));
}

describe("batches:", () => {
  test("an empty body and an empty list are batches without spans", () => {
    expect(decodeZipkinJson("")).toEqual([]);
    expect(decodeZipkinJson(new Uint8Array())).toEqual([]);
    expect(decodeZipkinJson("[]")).toEqual([]);
  });

  test.each(["{}", " []", "hello", "\ufeff[]", "null"])(
    "%j is refused because it does not begin as a list",
    (text) => {
      expect(refusal(new TextEncoder().encode(text))).toBe("Expected a JSON_V2 encoded list");
    },
  );

  test.each(["[", "[{}", '[{"traceId":"1","id":"1"},]', '[{"traceId":"1","id":"1"}] x', '["\\x"]'])(
    "%j is refused as malformed JSON",
    (text) => {
      expect(refusal(text)).toEndWith(" reading List<Span> from json");
    },
  );

  test.each(["[1]", "[null]", "[[]]", '["a"]'])("%s is refused because its items are not objects", (text) => {
    expect(refusal(text)).toMatch(/^Expected an object .* at \$\[0\] reading List<Span> from json$/);
  });

  test("a batch with a malformed span is refused with its place in the message", () => {
    const batch = JSON.stringify([IDS, { ...IDS, tags: { a: null } }]);
    expect(refusal(batch)).toBe(
      "Expected a string but found null at $[1].tags.a reading List<Span> from json",
    );
  });

  test("a batch of JSON v1 is refused as such", () => {
    const v1 = "Expected a JSON_V2 encoded list, but received: JSON_V1";
    expect(refusalOf({ binaryAnnotations: [] })).toBe(v1);
    const annotation = { timestamp: 1, value: "sr", endpoint: { serviceName: "a" } };
    expect(refusalOf({ annotations: [annotation] })).toBe(v1);
    expect(decodeOne({ tags: { binaryAnnotations: "a" } })).toEqual({ tags: { binaryAnnotations: "a" } });
  });

  test("bytes that are not UTF-8 become replacement characters", () => {
    const text = JSON.stringify([{ ...IDS, tags: { key: "a?b" } }]);
    const bytes = Uint8Array.from(text, (character) => (character === "?" ? 0xff : character.charCodeAt(0)));
    expect(decodeZipkinJson(bytes)[0]?.tags).toEqual({ key: "a\ufffdb" });
  });

  test.each([
    ["in an unknown field", (deep: string) => `[{"traceId":"a","id":"b","x":${deep}}]`, true],
    ["in a tag", (deep: string) => `[{"traceId":"a","id":"b","tags":{"x":${deep}}}]`, false],
    ["beside a number for a string", (deep: string) => `[{"traceId":"a","id":1,"x":${deep}}]`, false],
    ["not closed", (deep: string) => deep.slice(0, deep.length / 2), false],
  ])("a million levels of nesting %s", (_, wrap, isFine) => {
    const text = wrap("[".repeat(1_000_000) + "]".repeat(1_000_000));
    if (isFine) expect(decodeZipkinJson(text)).toHaveLength(1);
    else expect(refusal(text)).toEndWith(" reading List<Span> from json");
  });
});

describe("ids", () => {
  test.each([
    ["1", "0000000000000001"],
    ["0123456789abcdef", "0123456789abcdef"],
    ["123456789abcdef01", "000000000000000123456789abcdef01"],
    ["0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"],
    ["00000000000000000123456789abcdef", "0123456789abcdef"],
    ["00000000000000001", "0000000000000001"],
  ])("trace id %s is %s", (id, normalized) => {
    expect(normalizeTraceId(id)).toBe(normalized);
    expect(decodeOne({ traceId: id }).traceId).toBe(normalized);
  });

  test.each([
    ["", "traceId is empty"],
    ["0", "traceId is all zeros"],
    ["0".repeat(32), "traceId is all zeros"],
    ["1".repeat(33), "traceId.length > 32"],
    ["ABC", "ABC should be lower-hex encoded with no prefix"],
    ["0x1", "0x1 should be lower-hex encoded with no prefix"],
    [" 1", " 1 should be lower-hex encoded with no prefix"],
  ])("trace id %j is refused", (id, message) => {
    expect(() => normalizeTraceId(id)).toThrow(message);
    expect(refusalOf({ traceId: id })).toBe(`${message} at $[0].traceId reading List<Span> from json`);
  });

  test("span and parent ids are padded", () => {
    expect(decodeOne({ id: "1", parentId: "2" })).toEqual({
      id: "0000000000000001",
      parentId: "0000000000000002",
    });
  });

  test.each([
    [{ id: "" }, "id is empty"],
    [{ id: "1".repeat(17) }, "id.length > 16"],
    [{ id: "0" }, "id is all zeros"],
    [{ parentId: "xyz" }, "xyz should be lower-hex encoded with no prefix"],
    [{ parentId: "1".repeat(17) }, "parentId.length > 16"],
    [{ traceId: null }, "Missing traceId"],
    [{ traceId: null, id: null }, "Missing traceId and id"],
    [{ id: {} }, "Expected a string but found an object"],
  ])("%j is refused", (fields, message) => {
    expect(refusalOf(fields)).toStartWith(message);
  });

  test("a span whose parent is itself or all zeros becomes a root", () => {
    expect(decodeOne({ id: "1", parentId: "0000000000000001" })).toEqual({ id: "0000000000000001" });
    expect(decodeOne({ parentId: "0000" })).toEqual({});
  });
});

describe("fields", () => {
  test("names are in lower case, and absent when empty", () => {
    expect(decodeOne({ name: "GET /Ünï", localEndpoint: { serviceName: "Front End" } })).toEqual({
      name: "get /ünï",
      localEndpoint: { serviceName: "front end" },
    });
    expect(decodeOne({ name: "", localEndpoint: { serviceName: "" } })).toEqual({});
  });

  test("null, false, zero and empty values become absent", () => {
    const optional = ["parentId", "kind", "name", "timestamp", "duration", "localEndpoint", "remoteEndpoint"];
    for (const key of [...optional, "annotations", "tags", "debug", "shared"]) {
      expect(decodeOne({ [key]: null })).toEqual({});
    }
    expect(decodeOne({ debug: false, shared: false, timestamp: 0, duration: 0 })).toEqual({});
    expect(decodeOne({ annotations: [], tags: {}, localEndpoint: {} })).toEqual({});
    expect(decodeOne({ localEndpoint: { serviceName: null, ipv4: null, ipv6: null, port: null } })).toEqual(
      {},
    );
  });

  test("a CLIENT span is never shared, even if it says so", () => {
    expect(decodeOne({ kind: "CLIENT", shared: true })).toEqual({ kind: "CLIENT" });
    expect(decodeOne({ kind: "SERVER", shared: true })).toEqual({ kind: "SERVER", shared: true });
    expect(decodeOne({ shared: true })).toEqual({ shared: true });
  });

  test("unknown fields are skipped", () => {
    expect(decodeOne({ extra: { deep: [1] }, localEndpoint: { serviceName: "a", extra: 1 } })).toEqual({
      localEndpoint: { serviceName: "a" },
    });
  });

  test("negative times become absent", () => {
    expect(decodeOne({ timestamp: -5, duration: -1 })).toEqual({});
  });

  test("times may be strings of digits", () => {
    expect(decodeOne({ timestamp: "1700000000000000", duration: "5" })).toEqual({
      timestamp: 1_700_000_000_000_000,
      duration: 5,
    });
  });

  test.each(["x", "", 1.5, {}, true, "0x10", 1e30])("a timestamp of %j is refused", (timestamp) => {
    expect(refusalOf({ timestamp })).toMatch(/^Expected a whole number but found .* at \$\[0\]\.timestamp /);
  });

  test("the four kinds are accepted and no other", () => {
    for (const kind of ["CLIENT", "SERVER", "PRODUCER", "CONSUMER"]) {
      expect<unknown>(decodeOne({ kind })).toEqual({ kind });
    }
    for (const kind of ["client", "FOO", "", 5]) {
      expect(refusalOf({ kind })).toStartWith("Expected one of CLIENT, SERVER, PRODUCER, CONSUMER");
    }
  });

  test.each([
    { debug: "true" },
    { shared: 1 },
    { name: {} },
    { name: true },
    { tags: [] },
    { tags: "x" },
    { tags: { a: true } },
    { tags: { a: {} } },
    { annotations: {} },
    { annotations: [null] },
    { localEndpoint: [] },
    { localEndpoint: { port: "x" } },
  ])("%j has a wrong type", (fields) => {
    expect(refusalOf(fields)).toMatch(
      /^Expected .* but found .* at \$\[0\]\..* reading List<Span> from json$/,
    );
  });

  test("an incomplete annotation is refused", () => {
    for (const annotation of [{ timestamp: 1 }, { value: "x" }, { timestamp: null, value: "x" }]) {
      expect(refusalOf({ annotations: [annotation] })).toBe(
        "Incomplete annotation at $[0].annotations[0] reading List<Span> from json",
      );
    }
  });

  test("annotations are sorted, and equal ones count once", () => {
    const [a, b, c] = [
      { timestamp: 3, value: "a" },
      { timestamp: 3, value: "b" },
      { timestamp: 9, value: "0" },
    ];
    expect(decodeOne({ annotations: [c, b, b, a] })).toEqual({ annotations: [a, b, c] as never });
  });

  test("tags may have any name", () => {
    const text = '[{"traceId":"a","id":"b","tags":{"z":"1","__proto__":"2","constructor":"","a":"3"}}]';
    const tags = decodeZipkinJson(text)[0]?.tags ?? {};
    expect(Object.entries(tags).sort()).toEqual([
      ["__proto__", "2"],
      ["a", "3"],
      ["constructor", ""],
      ["z", "1"],
    ]);
  });

  test("a number in place of a string keeps its digits", () => {
    const [span] = decodeZipkinJson(
      `[{"traceId":12345678901234567890,"id":1234567890123456,"name":5,"timestamp":7,
        "tags":{"a":1.0,"b":12345678901234567890,"c":1e3}}]`,
    );
    expect(span).toEqual({
      traceId: "00000000000012345678901234567890",
      id: "1234567890123456",
      name: "5",
      timestamp: 7,
      tags: { a: "1.0", b: "12345678901234567890", c: "1e3" },
    });
  });

  test("addresses go into the field of their family", () => {
    expect(decodeOne({ localEndpoint: { ipv6: "1.2.3.4", ipv4: "2001:DB8::1", port: "80" } })).toEqual({
      localEndpoint: { ipv4: "1.2.3.4", ipv6: "2001:db8::1", port: 80 },
    });
    expect(decodeOne({ remoteEndpoint: { ipv6: "::ffff:1.2.3.4", ipv4: "localhost" } })).toEqual({
      remoteEndpoint: { ipv4: "1.2.3.4" },
    });
  });

  test("ports that are not positive become absent, and those above 65535 are refused", () => {
    expect(decodeOne({ localEndpoint: { port: -1 } })).toEqual({});
    expect(decodeOne({ localEndpoint: { port: 65_535 } })).toEqual({ localEndpoint: { port: 65_535 } });
    expect(refusalOf({ localEndpoint: { port: 65_536 } })).toStartWith("invalid port 65536");
  });
});

describe("any input", () => {
  test("decodes to the same text after a round trip, whatever the order of annotations", () => {
    fc.assert(
      fc.property(fc.array(anySpan()), (spans) => {
        const once = JSON.stringify(decodeZipkinJson(JSON.stringify(spans)));
        expect(JSON.stringify(decodeZipkinJson(once))).toBe(once);
        const turned = spans.map((span) => ({ ...span, annotations: [...span.annotations].reverse() }));
        expect(JSON.stringify(decodeZipkinJson(JSON.stringify(turned)))).toBe(once);
      }),
    );
  });

  test("is decoded or refused with a ZipkinError", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.array(anySpan()), (values, spans) => {
        const mixed = [...spans.map((span, index) => ({ ...span, tags: values[index] })), ...values];
        try {
          decodeZipkinJson(JSON.stringify(mixed));
        } catch (error) {
          expect(error).toBeInstanceOf(ZipkinError);
        }
      }),
    );
  });
});

function anySpan() {
  const hex = (maxLength: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{0,${maxLength - 1}}[1-9a-f]$`));
  return fc.record({
    traceId: hex(32),
    id: hex(16),
    parentId: fc.option(hex(16)),
    kind: fc.option(fc.constantFrom("CLIENT", "SERVER", "PRODUCER", "CONSUMER")),
    name: fc.oneof(fc.string({ unit: "grapheme" }), fc.integer()),
    timestamp: fc.option(fc.maxSafeInteger()),
    duration: fc.option(fc.maxSafeInteger()),
    localEndpoint: fc.option(fc.record({ serviceName: fc.string(), ipv4: fc.ipV4(), port: fc.nat(65_535) })),
    annotations: fc.array(fc.record({ timestamp: fc.nat(3), value: fc.string({ maxLength: 2 }) })),
    tags: fc.dictionary(fc.string(), fc.string({ unit: "binary" })),
    shared: fc.option(fc.boolean()),
  });
}
