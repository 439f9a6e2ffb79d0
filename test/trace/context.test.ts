import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  extractContext,
  type IncomingContext,
  injectContext,
  type OutgoingContext,
  type Propagator,
} from "../../src/trace/context.ts";

const TRACE = "463ac35c9f6413ad48485a3953bb6124";
const OTHER = "11112222333344445555666677778888";
const SPAN = "a2fb4a1d1a96d312";

function extract(headers: Readonly<Record<string, string>>): IncomingContext {
  return extractContext((name) => headers[name] ?? null);
}

function toReader(headers: readonly (readonly [string, string])[]): Record<string, string> {
  return Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));
}

const NOTHING: IncomingContext = {
  traceId: null,
  parentId: null,
  source: null,
  sampled: null,
  random: false,
  debug: false,
  tracestate: null,
  forms: [],
};

test("a request without headers has no context", () => {
  expect(extract({})).toEqual(NOTHING);
});

describe("W3C", () => {
  test("headers give ids, flag and tracestate", () => {
    expect(extract({ traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: "a=1,b=2" })).toEqual({
      ...NOTHING,
      traceId: TRACE,
      parentId: SPAN,
      source: "tracecontext",
      sampled: true,
      tracestate: "a=1,b=2",
      forms: ["tracecontext"],
    });
  });

  test.each([
    ["00", false, false],
    ["01", true, false],
    ["02", false, true],
    ["03", true, true],
    ["04", false, false],
    ["fd", true, false],
    ["ff", true, true],
  ])("flags %s mean sampled: %p, random: %p", (flags, sampled, random) => {
    for (const version of ["00", "cc"]) {
      expect(extract({ traceparent: `${version}-${TRACE}-${SPAN}-${flags}` })).toMatchObject({
        sampled,
        random,
      });
    }
  });

  test("headers of a later version are read up to the known fields", () => {
    expect(extract({ traceparent: `cc-${TRACE}-${SPAN}-01-what-the-future-holds` }).traceId).toBe(TRACE);
    expect(extract({ traceparent: `cc-${TRACE}-${SPAN}-01` }).traceId).toBe(TRACE);
  });

  test.each([
    ["version ff", `ff-${TRACE}-${SPAN}-01`],
    ["more after version 00", `00-${TRACE}-${SPAN}-01-x`],
    ["a later version that goes on without a dash", `cc-${TRACE}-${SPAN}-01x`],
    ["upper case", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ["a trace id of zeros", `00-${"0".repeat(32)}-${SPAN}-01`],
    ["a parent id of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
    ["a short trace id", `00-${TRACE.slice(1)}-${SPAN}-01`],
    ["no flags", `00-${TRACE}-${SPAN}`],
    ["digits that are not hex", `00-${TRACE.replace("4", "g")}-${SPAN}-01`],
    ["a blank that is none in HTTP", `\u00a000-${TRACE}-${SPAN}-01`],
    ["two headers of a later version in one", `cc-${TRACE}-${SPAN}-01-x, cc-${TRACE}-${SPAN}-01`],
    ["two headers in one", `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
    ["nothing", ""],
  ])("%s is malformed: as if absent, but the form leaves again", (_what, traceparent) => {
    expect(extract({ traceparent, tracestate: "a=1" })).toEqual({ ...NOTHING, forms: ["tracecontext"] });
  });

  test("tracestate is ignored without a traceparent", () => {
    expect(extract({ tracestate: "a=1" })).toEqual(NOTHING);
  });

  test.each(["a=1\r\nX-Evil: 1", "a=\u00e9", "a=\0", ""])(
    "the tracestate %j is not passed on",
    (tracestate) => {
      expect(extract({ traceparent: `00-${TRACE}-${SPAN}-01`, tracestate }).tracestate).toBeNull();
    },
  );
});

describe("B3 single", () => {
  test.each([
    [`${TRACE}-${SPAN}-1`, { sampled: true, debug: false }],
    [`${TRACE}-${SPAN}-0`, { sampled: false, debug: false }],
    [`${TRACE}-${SPAN}-d`, { sampled: true, debug: true }],
    [`${TRACE}-${SPAN}`, { sampled: null, debug: false }],
    [`${TRACE}-${SPAN}-1-05e3ac9a4f6e3b90`, { sampled: true, debug: false }],
  ])("%s", (b3, decision) => {
    const expected = { ...NOTHING, traceId: TRACE, parentId: SPAN, source: "b3" as const, forms: ["b3"] };
    expect(extract({ b3 })).toEqual({ ...expected, ...decision } as IncomingContext);
  });

  test.each([
    ["0", false, false],
    ["1", true, false],
    ["d", true, true],
  ])("%s alone is a decision about a new trace", (b3, sampled, debug) => {
    expect(extract({ b3 })).toEqual({ ...NOTHING, sampled, debug, forms: ["b3"] });
  });

  test("a trace id of 64 bits keeps its length, and becomes lower case", () => {
    expect(extract({ b3: `48485A3953BB6124-${SPAN}-1` }).traceId).toBe("48485a3953bb6124");
  });

  test.each([
    `${TRACE}`,
    `${TRACE}-${SPAN}-2`,
    `${TRACE}-${SPAN}-`,
    `${TRACE.slice(2)}-${SPAN}-1`,
    `${"0".repeat(32)}-${SPAN}-1`,
    `${TRACE}-${"0".repeat(16)}-1`,
    "true",
    "",
  ])("%j is malformed: as if absent", (b3) => {
    expect(extract({ b3 })).toEqual({ ...NOTHING, forms: ["b3"] });
  });
});

describe("B3 multi", () => {
  const IDS = { "x-b3-traceid": TRACE, "x-b3-spanid": SPAN };

  test.each([
    ["1", true],
    ["true", true],
    ["TRUE", true],
    ["0", false],
    ["false", false],
    ["maybe", null],
    ["", null],
  ])("X-B3-Sampled: %s means sampled: %p", (text, sampled) => {
    expect(extract({ ...IDS, "x-b3-sampled": text })).toEqual({
      ...NOTHING,
      traceId: TRACE,
      parentId: SPAN,
      source: "b3multi",
      sampled,
      forms: ["b3multi"],
    });
  });

  test("ids without a sampling decision leave it to the link", () => {
    expect(extract(IDS).sampled).toBeNull();
  });

  test("the debug flag samples, whatever X-B3-Sampled says", () => {
    expect(extract({ ...IDS, "x-b3-flags": "1", "x-b3-sampled": "0" })).toMatchObject({
      sampled: true,
      debug: true,
    });
    expect(extract({ ...IDS, "x-b3-flags": "0", "x-b3-sampled": "0" })).toMatchObject({
      sampled: false,
      debug: false,
    });
  });

  test("sampling decisions may come without ids", () => {
    expect(extract({ "x-b3-sampled": "0" })).toEqual({ ...NOTHING, sampled: false, forms: ["b3multi"] });
    expect(extract({ "x-b3-flags": "1" })).toMatchObject({ traceId: null, sampled: true, debug: true });
  });

  test.each([
    { "x-b3-traceid": TRACE },
    { "x-b3-traceid": TRACE, "x-b3-spanid": "xyz" },
    { "x-b3-traceid": "0".repeat(16), "x-b3-spanid": SPAN },
    { "x-b3-traceid": `${TRACE}00`, "x-b3-spanid": SPAN },
  ])("%j has no ids", (headers) => {
    expect(extract(headers as Record<string, string>)).toEqual({ ...NOTHING, forms: ["b3multi"] });
  });
});

describe("several formats", () => {
  const traceparent = `00-${TRACE}-${SPAN}-01`;

  test("are read in the order W3C, b3, X-B3, and all are sent on", () => {
    const multi = { "x-b3-traceid": OTHER, "x-b3-spanid": SPAN, "x-b3-sampled": "0" };
    const single = { b3: `${OTHER}-${SPAN}-0` };
    expect(extract({ traceparent, ...single, ...multi })).toMatchObject({
      traceId: TRACE,
      sampled: true,
      forms: ["tracecontext", "b3", "b3multi"],
    });
    expect(extract({ ...single, ...multi, "x-b3-traceid": TRACE })).toMatchObject({
      traceId: OTHER,
      source: "b3",
    });
  });

  test("fall back to the next one if the first is malformed", () => {
    expect(extract({ traceparent: "junk", b3: `${TRACE}-${SPAN}-0` })).toMatchObject({
      traceId: TRACE,
      source: "b3",
      sampled: false,
      forms: ["tracecontext", "b3"],
    });
    expect(extract({ b3: "junk", "x-b3-traceid": TRACE, "x-b3-spanid": SPAN })).toMatchObject({
      traceId: TRACE,
      source: "b3multi",
    });
    expect(extract({ traceparent: "junk", "x-b3-sampled": "0" })).toMatchObject({ sampled: false });
  });

  test("prefer ids to a bare sampling decision", () => {
    const both = { b3: "0", "x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-sampled": "1" };
    expect(extract(both)).toMatchObject({ traceId: TRACE, sampled: true });
  });

  test("keep the debug flag of the same trace next to a traceparent", () => {
    expect(extract({ traceparent, b3: `${TRACE}-${SPAN}-d` }).debug).toBe(true);
    expect(extract({ traceparent, "x-b3-flags": "1" }).debug).toBe(true);
    const short = { traceparent: `00-${"0".repeat(16)}${SPAN}-${SPAN}-01`, b3: `${SPAN}-${SPAN}-d` };
    expect(extract(short).debug).toBe(true);
  });

  test("ignore the debug flag of another trace, or of a trace that the traceparent does not sample", () => {
    expect(extract({ traceparent, b3: `${OTHER}-${SPAN}-d` }).debug).toBe(false);
    const unsampled = extract({ traceparent: `00-${TRACE}-${SPAN}-00`, "x-b3-flags": "1" });
    expect(unsampled).toMatchObject({ sampled: false, debug: false });
  });
});

describe("the outgoing context", () => {
  const context: OutgoingContext = {
    traceId: TRACE,
    spanId: SPAN,
    parentId: "05e3ac9a4f6e3b90",
    sampled: true,
    random: false,
    debug: false,
    tracestate: "a=1",
  };

  test("has each format in the requested order", () => {
    expect(injectContext(context, ["b3multi", "tracecontext", "baggage", "b3"])).toEqual([
      ["X-B3-TraceId", TRACE],
      ["X-B3-SpanId", SPAN],
      ["X-B3-ParentSpanId", "05e3ac9a4f6e3b90"],
      ["X-B3-Sampled", "1"],
      ["traceparent", `00-${TRACE}-${SPAN}-01`],
      ["tracestate", "a=1"],
      ["b3", `${TRACE}-${SPAN}-1-05e3ac9a4f6e3b90`],
    ]);
  });

  test("has no parent for a root", () => {
    expect(injectContext({ ...context, parentId: null }, ["b3", "b3multi"])).toEqual([
      ["b3", `${TRACE}-${SPAN}-1`],
      ["X-B3-TraceId", TRACE],
      ["X-B3-SpanId", SPAN],
      ["X-B3-Sampled", "1"],
    ]);
  });

  test("has debug in place of sampled", () => {
    expect(injectContext({ ...context, debug: true, parentId: null }, ["b3", "b3multi"])).toEqual([
      ["b3", `${TRACE}-${SPAN}-d`],
      ["X-B3-TraceId", TRACE],
      ["X-B3-SpanId", SPAN],
      ["X-B3-Flags", "1"],
    ]);
  });

  test("pads 64-bit trace ids for W3C only", () => {
    const short = { ...context, traceId: TRACE.slice(16), tracestate: null, parentId: null };
    expect(injectContext(short, ["tracecontext", "b3"])).toEqual([
      ["traceparent", `00-${"0".repeat(16)}${TRACE.slice(16)}-${SPAN}-01`],
      ["b3", `${TRACE.slice(16)}-${SPAN}-1`],
    ]);
  });
});

describe("properties", () => {
  const hex = (digits: number) =>
    fc
      .array(fc.constantFrom(..."0123456789abcdef"), { minLength: digits, maxLength: digits })
      .map((it) => it.join(""))
      .filter((it) => !/^0+$/.test(it));
  const contexts = fc
    .record({
      traceId: fc.oneof(hex(32), hex(16)),
      spanId: hex(16),
      parentId: fc.option(hex(16)),
      sampled: fc.boolean(),
      random: fc.boolean(),
      debug: fc.boolean(),
      tracestate: fc.option(fc.constantFrom("a=1", "vendor=opaque,b=2")),
    })
    .map((context) => ({ ...context, sampled: context.sampled || context.debug }));

  test.each(["tracecontext", "b3", "b3multi"] as const)(
    "%s headers are read back as they were written",
    (form) => {
      fc.assert(
        fc.property(contexts, (context) => {
          const read = extract(toReader(injectContext(context, [form])));
          const isW3c = form === "tracecontext";
          expect(read).toEqual({
            traceId: isW3c ? context.traceId.padStart(32, "0") : context.traceId,
            parentId: context.spanId,
            source: form,
            sampled: context.sampled,
            random: isW3c && context.random,
            debug: !isW3c && context.debug,
            tracestate: isW3c ? context.tracestate : null,
            forms: [form],
          });
        }),
      );
    },
  );

  const HEADERS = [
    "traceparent",
    "tracestate",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-sampled",
    "x-b3-flags",
  ];
  const nearlyValid = fc
    .tuple(
      fc.constantFrom(`00-${TRACE}-${SPAN}-01`, `${TRACE}-${SPAN}-d`, TRACE, SPAN, "1"),
      fc.nat(60),
      fc.string(),
    )
    .map(([text, at, piece]) => text.slice(0, at) + piece + text.slice(at + 1));
  const headerSets = fc.dictionary(
    fc.constantFrom(...HEADERS),
    fc.oneof(fc.string({ unit: "binary" }), nearlyValid, fc.constant("a\r\nX-Evil: 1")),
  );
  const forms: readonly Propagator[] = ["tracecontext", "b3", "b3multi"];

  test("any input gives valid ids or none, throws nothing and cannot inject a header line", () => {
    fc.assert(
      fc.property(headerSets, (headers) => {
        const read = extract(headers);
        expect(read.traceId ?? TRACE).toMatch(/^(?:[0-9a-f]{16}){1,2}$/);
        expect(read.parentId ?? SPAN).toMatch(/^[0-9a-f]{16}$/);
        expect(read.traceId === null).toBe(read.parentId === null);
        const outgoing = {
          traceId: read.traceId ?? TRACE,
          spanId: SPAN,
          parentId: read.parentId,
          sampled: read.sampled ?? true,
          random: read.random,
          debug: read.debug,
          tracestate: read.tracestate,
        };
        for (const [name, value] of injectContext(outgoing, forms))
          expect(`${name}: ${value}`).toMatch(/^[\t\x20-\x7e]+$/);
      }),
      { numRuns: 1000 },
    );
  });
});
