import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { readFileBytes } from "../../../src/trace/file/file-bytes.ts";
import { readTraceFile } from "../../../src/trace/file/read-trace-file.ts";
import { type TraceFile, TraceFileError } from "../../../src/trace/file/trace-file.ts";
import type { Span } from "../../../src/trace/span.ts";
import { hexId, makeChain } from "../../collector/spans.ts";

const FIXTURES = join(import.meta.dir, "../../fixtures/trace-files");
const bytesOf = (name: string) => new Uint8Array(readFileSync(join(FIXTURES, name)));
const encode = (text: string) => new TextEncoder().encode(text);
const read = (value: unknown): TraceFile => readTraceFile(encode(JSON.stringify(value)));

const SPANS = makeChain(hexId(7), 2, 1_700_000_000_000);
const LIST = JSON.stringify(SPANS);
const LINES = SPANS.map((span) => JSON.stringify(span)).join("\n");

test.each([
  ["c04-otlp-pretty.json", "OTLP JSON", 1, "imp-otlp"],
  ["c05-zipkin-bom.json", "Zipkin v2 JSON", 1, "imp"],
  ["c07-zipkin-ndjson.json", "Zipkin v2 JSON", 2, "imp"],
  ["c09-single-span.json", "Zipkin v2 JSON", 1, "imp"],
  ["c10-jaeger.json", "Jaeger JSON", 1, "jsvc"],
  ["c11-tempo-batches.json", "Tempo JSON", 1, "imp-otlp"],
  ["c13-jaeger-v3.json", "Jaeger API v3 JSON", 1, "imp-otlp"],
])("%s is read as %s", (name, format, count, serviceName) => {
  const { formats, spans, duplicates, rejected } = readTraceFile(bytesOf(name));
  expect(formats).toEqual([format]);
  expect(spans).toHaveLength(count);
  for (const span of spans) {
    expect(span).toMatchObject({ timestamp: 1_796_065_885_438_282, localEndpoint: { serviceName } });
    expect(span.name).toMatch(/^(n|o|op)$/);
  }
  expect({ duplicates, rejected: rejected.size }).toEqual({ duplicates: 0, rejected: 0 });
});

test("a span with empty ids is rejected with the reason, and the other one is read", () => {
  const { spans, rejected } = readTraceFile(bytesOf("c29-otlp-badid.jsonl"));
  expect(spans).toHaveLength(1);
  expect([...rejected]).toEqual([["a trace id is not 16 bytes", 1]]);
});

test("a number as the value of a tag becomes its text", () => {
  expect(readTraceFile(bytesOf("p01-numtag.json")).spans[0]?.tags).toEqual({ "http.status_code": "200" });
});

test("a span that occurs three times in a file counts as one span and two duplicates", () => {
  expect(readTraceFile(bytesOf("p02-dups.json"))).toMatchObject({ spans: { length: 1 }, duplicates: 2 });
  const [span] = SPANS;
  expect(read([span, { ...span, duration: 1 }])).toMatchObject({ spans: { length: 2 }, duplicates: 0 });
});

test.each<[string, Uint8Array]>([
  ["a list", encode(LIST)],
  ["one span on each line", encode(LINES)],
  ["lines that end with CRLF, with empty lines between them", encode(LINES.replaceAll("\n", "\r\n\r\n"))],
  ["white space around it", encode(` \t\r\n${LIST}\n\n `)],
  ["traces, as Zipkin's API answers", encode(JSON.stringify([SPANS.slice(0, 1), SPANS.slice(1)]))],
  [
    "pretty-printed objects without a list",
    encode(SPANS.map((span) => JSON.stringify(span, null, 2)).join("\n")),
  ],
  ["a byte order mark of UTF-8", encode(`\ufeff${LIST}`)],
  ["two files with byte order marks, one after the other", encode(`\ufeff${LIST}\n\ufeff${LIST}`)],
  ["UTF-16, little-endian", new Uint8Array(Buffer.from(`\ufeff${LIST}`, "utf16le"))],
  ["UTF-16, big-endian", new Uint8Array(Buffer.from(`\ufeff${LIST}`, "utf16le").swap16())],
  ["gzip", gzipSync(LIST)],
  ["gzip of several members", Buffer.concat(LINES.split("\n").map((line) => gzipSync(`${line}\n`)))],
  ["gzip of UTF-16", gzipSync(Buffer.from(`\ufeff${LIST}`, "utf16le"))],
])("spans are the same in a file with %s", (_, file) => {
  expect(readTraceFile(new Uint8Array(file)).spans).toEqual(SPANS);
});

test.each([
  ["", "an empty file"],
  [" \n ", "an empty file"],
  ["{}", "an object without fields"],
  ["[]", "JSON without spans"],
  ["[[]]", "JSON without spans"],
  ["[1]", "a value that is not an object on line 1"],
  ["null", 'text that begins with "null"'],
  ["<!doctype html><title>404</title>", "a web page or XML"],
  ["a,b\n1,2", 'text that begins with "a,b"'],
  ["\u0000\u0001\u0002", "binary data"],
  ["PK\u0003\u0004...", "a zip archive"],
  ['[{"traceId":"1"}', "truncated JSON on line 1"],
  ['{"traceId":"1","id":"2"}\n{"traceId":"1","i', "truncated JSON on line 2"],
  ['{"traceId":"1","id":"2"}\n{"traceId":tru}', "malformed JSON on line 2"],
  ['[{"traceId":"1","id":"2"}],', "malformed JSON on line 1"],
  ['{"traces":[{"traceID":"1"}],"metrics":{}}', 'an object with the fields "traces", "metrics"'],
  ['{"resourceSpans":[]}', "OTLP JSON without spans"],
  [
    '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":1}]}]}]}',
    "malformed OTLP JSON on line 1: Expected a string",
  ],
  ['{"resourceLogs":[]}', "OTLP JSON without spans"],
  ['{"data":null,"errors":[{"code":404,"msg":"trace not found"}]}', "Jaeger JSON without spans"],
  ['{"data":[]}', "Jaeger JSON without spans"],
  ['{"trace":null}', "Tempo JSON without spans"],
  ["[[[[{}]]]]", "a value that is not an object on line 1"],
  ["[".repeat(10_000), "truncated JSON on line 1"],
])("the file %p is refused", (text, found) => {
  const expected =
    "expected a JSON list of spans, or another trace file from Zipkin, OTLP, Jaeger or Tempo, found ";
  expect(() => readTraceFile(encode(text))).toThrow(`${expected}${found}`);
});

test("a lone surrogate becomes U+FFFD", () => {
  const text = '[{"traceId":"1","id":"2","name":"a\\ud83d","tags":{"k":"\\udc00"}}]';
  expect(readTraceFile(encode(text)).spans[0]).toMatchObject({ name: "a\ufffd", tags: { k: "\ufffd" } });
});

test.each([
  ["a tag of Jaeger", '{"traceID":"1","spanID":"2","tags":[{"key":"a","value":', "}]}"],
  ["a Zipkin span with a large number", '{"traceId":"1","id":"2","x":12345678901234567890,"y":', "}"],
])("a value of 200,000 levels in %s refuses the file", (_, before, after) => {
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  expect(() => readTraceFile(encode(before + deep + after))).toThrow(
    /JSON with too many levels of nesting on line 1/,
  );
});

test("a damaged file is refused with a message or read, and never crashes", () => {
  const files = readdirSync(FIXTURES).map(bytesOf);
  fc.assert(
    fc.property(fc.constantFrom(...files), fc.nat(), fc.nat(255), fc.nat(), (file, at, byte, end) => {
      const damaged = file.slice(0, file.length - (end % 4 === 0 ? end % file.length : 0));
      damaged[at % damaged.length] = byte;
      try {
        readTraceFile(damaged);
      } catch (error) {
        expect(error).toBeInstanceOf(TraceFileError);
      }
    }),
    { numRuns: 500 },
  );
});

test("a damaged gzip file is refused, and so is one that unpacks to more than the limit", () => {
  const packed = gzipSync(LIST.repeat(20));
  expect(() => readFileBytes(packed.subarray(0, packed.length / 2))).toThrow("found a damaged gzip file");
  // The data is complete, but its checksum is damaged.
  for (const missing of [1, 4, 8])
    expect(() => readFileBytes(packed.subarray(0, -missing))).toThrow("found a damaged gzip file");
  const plain = gzipSync(LIST, { level: 0 });
  const at = plain.indexOf('"name":"') + 8;
  expect(() => readFileBytes(plain.with(at, (plain[at] as number) ^ 1))).toThrow("its checksum is wrong");
  const members = Buffer.concat([plain, packed]).with(at, (plain[at] as number) ^ 1);
  expect(() => readFileBytes(members)).toThrow("its checksum is wrong");
  const bomb = gzipSync(Buffer.alloc(20_000_000));
  expect(() => readFileBytes(bomb, 10_000_000)).toThrow("more than 10000000 bytes when unpacked");
});

test.each(["data", "result", "trace", "batches", "spanId", "resourceSpans"])(
  "a Zipkin span with a field %s of its own is read",
  (field) => {
    const [span] = SPANS;
    expect(read([{ ...span, [field]: [] }])).toMatchObject({ formats: ["Zipkin v2 JSON"], spans: [span] });
  },
);

test("kind and status of OTLP are read as number, text and name", () => {
  const kinds = [3, "3", "CLIENT", "SPAN_KIND_CLIENT"];
  const codes = [2, "2", "ERROR", "STATUS_CODE_ERROR"];
  const ids = { traceId: "ab".repeat(16), spanId: "cd".repeat(8) };
  for (const [index, kind] of kinds.entries()) {
    const [span] = read({ ...ids, kind, status: { code: codes[index] } }).spans;
    expect(span).toMatchObject({ kind: "CLIENT", tags: { error: "true" } });
  }
});

test("a whole number that a double cannot hold keeps its digits in every format", () => {
  const [digits, quoted] = ["9007199254740993", '"-9223372036854775808"'];
  const otlp = `{"traceId":"${"ab".repeat(16)}","spanId":"${"cd".repeat(8)}","attributes":[
    {"key":"plain","value":{"intValue" : ${digits}}},{"key":"quoted","value":{"intValue":${quoted}}},
    {"key":"list","value":{"arrayValue":{"values":[{"intValue":${digits}},{"intValue":"1"}]}}}]}`;
  expect(readTraceFile(encode(otlp)).spans[0]?.tags).toEqual({
    plain: digits,
    quoted: "-9223372036854775808",
    list: `[${digits},1]`,
  });
  const jaeger = `{"traceID":"1","spanID":"2","tags":[{"key":"plain","type":"int64","value":${digits}}]}`;
  expect(readTraceFile(encode(jaeger)).spans[0]?.tags).toEqual({ plain: digits });
});

test("a malformed Zipkin span is rejected with the name of the malformed field, and the others are read", () => {
  const { spans, rejected } = read([...SPANS, { traceId: "1" }, { traceId: "1", id: "2", tags: { a: [] } }]);
  expect(spans).toEqual(SPANS);
  expect([...rejected]).toEqual([
    ["Missing id", 1],
    ["Expected a string but found a list at tags.a", 1],
  ]);
});

test("an object that is not a span is counted if other objects are spans", () => {
  const { spans, rejected } = read([...SPANS, { level: "info" }]);
  expect(spans).toEqual(SPANS);
  expect([...rejected]).toEqual([['an object with the fields "level" is not a span', 1]]);
});

test("logs and metrics in a file of OpenTelemetry's Collector are skipped", () => {
  const otlp = readFileSync(join(FIXTURES, "c04-otlp-pretty.json"), "utf8");
  const { spans, rejected } = readTraceFile(encode(`{"resourceLogs":[]}\n${otlp}\n{"resourceMetrics":[]}`));
  expect(spans).toHaveLength(1);
  expect(rejected.size).toBe(0);
});

const OTLP_SPAN = {
  traceId: "5B8EFFF798038103D269B633813FC60C",
  spanId: "EEE19B7EC3C1B174",
  name: "op",
  kind: "SPAN_KIND_SERVER",
  startTimeUnixNano: 1_544_712_660_000_000_000,
  endTimeUnixNano: "1544712661000000000",
};
const RESOURCE = { attributes: [{ key: "service.name", value: { stringValue: "shop" } }] };
const READ_SPAN: Span = {
  traceId: "5b8efff798038103d269b633813fc60c",
  id: "eee19b7ec3c1b174",
  kind: "SERVER",
  name: "op",
  timestamp: 1_544_712_660_000_000,
  duration: 1_000_000,
  localEndpoint: { serviceName: "shop" },
};
const group = (fields: object) => ({ resource: RESOURCE, ...fields });
const BASE64 = { ...OTLP_SPAN, traceId: "W47/95gDgQPSabYzgT/GDA==", spanId: "7uGbfsPBsXQ=" };
const REQUEST = { resourceSpans: [group({ scopeSpans: [{ spans: [OTLP_SPAN] }] })] };

test.each<[string, unknown]>([
  ["a request", REQUEST],
  ["a list of requests", [REQUEST, { resourceSpans: [] }]],
  [
    "instrumentationLibrarySpans",
    { resourceSpans: [group({ instrumentationLibrarySpans: [{ spans: [OTLP_SPAN] }] })] },
  ],
  ["ilSpans", { resourceSpans: [group({ ilSpans: [{ spans: [OTLP_SPAN] }] })] }],
  ["ids in base64", { resourceSpans: [group({ scopeSpans: [{ spans: [BASE64] }] })] }],
  ["one resource without a request", group({ scopeSpans: [{ spans: [OTLP_SPAN] }] })],
  ["Tempo's batches", { batches: [group({ instrumentationLibrarySpans: [{ spans: [BASE64] }] })] }],
  ["Tempo's trace", { trace: REQUEST, metrics: {} }],
  ["Tempo's trace of batches", { trace: { batches: REQUEST.resourceSpans } }],
  ["Jaeger's result", { result: REQUEST }],
  ["a list of Jaeger's results", [{ result: REQUEST }, { result: { resourceSpans: [] } }]],
])("the same span is read from OTLP with %s", (_, value) => {
  expect(read(value).spans).toEqual([READ_SPAN]);
});

test("OTLP spans rejected for different reasons are counted separately", () => {
  const spans = [
    OTLP_SPAN,
    { ...OTLP_SPAN, traceId: "" },
    { ...OTLP_SPAN, spanId: "1" },
    { ...OTLP_SPAN, spanId: "2" },
  ];
  const { rejected } = read({ resourceSpans: [group({ scopeSpans: [{ spans }] })] });
  expect([...rejected]).toEqual([
    ["a trace id is not 16 bytes", 1],
    ["a span id is not 8 bytes", 2],
  ]);
});

test("a one-megabyte OTLP file with old names is read like a small one", () => {
  const spans = Array.from({ length: 4000 }, (_, index) => ({ ...OTLP_SPAN, spanId: hexId(index + 1) }));
  const value = {
    batches: [group({ instrumentationLibrarySpans: [{ instrumentationLibrary: { name: "x" }, spans }] })],
  };
  const file = read(value);
  expect(file.spans).toHaveLength(4000);
  expect(file.spans[9]).toEqual({ ...READ_SPAN, id: hexId(10), tags: { "otel.scope.name": "x" } });
});

const JAEGER_SPAN = {
  traceID: "1A",
  spanID: "b2",
  flags: 3,
  operationName: "GET /",
  references: [
    { refType: "FOLLOWS_FROM", traceID: "1a", spanID: "c" },
    { refType: "CHILD_OF", traceID: "1a", spanID: "d" },
  ],
  startTime: 1_700_000_000_000_000,
  duration: 250,
  tags: [
    { key: "span.kind", type: "string", value: "client" },
    { key: "http.status_code", type: "int64", value: 500 },
    { key: "error", type: "bool", value: true },
    { key: "ratio", type: "float64", value: 0.5 },
    { key: "peer.service", type: "string", value: "Db" },
  ],
  logs: [
    { timestamp: 1_700_000_000_000_100, fields: [{ key: "event", type: "string", value: "retry" }] },
    { timestamp: 1_700_000_000_000_050, fields: [{ key: "level", type: "string", value: "warn" }] },
  ],
  processID: "p1",
  warnings: ["clock skew"],
};
const PROCESSES = { p1: { serviceName: "Shop", tags: [{ key: "hostname", type: "string", value: "h" }] } };

test("a Jaeger span keeps ids, parent, kind, tags of any type, process, logs, warnings and the debug flag", () => {
  const { spans } = read({ data: [{ traceID: "1a", spans: [JAEGER_SPAN], processes: PROCESSES }] });
  expect(spans).toEqual([
    {
      traceId: "000000000000001a",
      id: "00000000000000b2",
      parentId: "000000000000000d",
      kind: "CLIENT",
      name: "get /",
      timestamp: 1_700_000_000_000_000,
      duration: 250,
      localEndpoint: { serviceName: "shop" },
      remoteEndpoint: { serviceName: "db" },
      annotations: [
        { timestamp: 1_700_000_000_000_050, value: '{"log":{"level":"warn"}}' },
        { timestamp: 1_700_000_000_000_100, value: "retry" },
      ],
      tags: {
        hostname: "h",
        "http.status_code": "500",
        error: "true",
        ratio: "0.5",
        "peer.service": "Db",
        "jaeger.warnings": "clock skew",
      },
      debug: true,
    },
  ]);
});

test("a Jaeger trace outside an answer and a single span with its process are read", () => {
  const { processID, ...span } = JAEGER_SPAN;
  const trace = { traceID: "1a", spans: [JAEGER_SPAN], processes: PROCESSES };
  const expected = read({ data: [trace] }).spans;
  expect(read(trace).spans).toEqual(expected);
  expect(read([{ ...span, process: PROCESSES.p1 }]).spans).toEqual(expected);
});

test("a Jaeger trace whose spans carry their process needs no list of processes", () => {
  const { processID, ...span } = JAEGER_SPAN;
  const trace = { traceID: "1a", services: [], spans: [{ ...span, process: PROCESSES.p1 }] };
  expect(read([trace]).spans[0]?.localEndpoint).toEqual({ serviceName: "shop" });
});

test("a Jaeger span that only follows another becomes its child", () => {
  const references = [{ refType: "FOLLOWS_FROM", traceID: "1a", spanID: "c" }];
  const elsewhere = [{ refType: "CHILD_OF", traceID: "2b", spanID: "c" }];
  const parentOf = (some: object[]) =>
    read({ data: [{ spans: [{ ...JAEGER_SPAN, references: some }], processes: PROCESSES }] }).spans[0]
      ?.parentId;
  expect(parentOf(references)).toBe(hexId(12));
  expect(parentOf(elsewhere)).toBeUndefined();
});

test("64-bit integers in Jaeger tags keep their digits", () => {
  const text = JSON.stringify({ ...JAEGER_SPAN, process: PROCESSES.p1 }).replace(
    ":500}",
    ":9223372036854775807}",
  );
  expect(readTraceFile(encode(text)).spans[0]?.tags?.["http.status_code"]).toBe("9223372036854775807");
});

test("a Jaeger span whose times or ids are wrong is rejected", () => {
  const spans = [{ ...JAEGER_SPAN, duration: "invalid" }, { ...JAEGER_SPAN, spanID: "" }, JAEGER_SPAN];
  const { rejected, spans: kept } = read({ data: [{ spans, processes: PROCESSES }] });
  expect(kept).toHaveLength(1);
  expect([...rejected.keys()]).toEqual(["duration is not a whole number", "a span id is not 8 bytes"]);
});

test("Zipkin v1 and v2 spans of one file are both read", () => {
  const endpoint = { serviceName: "old" };
  const v1 = {
    traceId: "1",
    id: "2",
    annotations: [
      { timestamp: 100, value: "sr", endpoint },
      { timestamp: 150, value: "ss", endpoint },
    ],
  };
  const { spans, formats } = read([v1, ...SPANS]);
  expect(formats).toEqual(["Zipkin v1 JSON", "Zipkin v2 JSON"]);
  expect(spans).toHaveLength(1 + SPANS.length);
  expect(spans[0]).toMatchObject({ kind: "SERVER", timestamp: 100, duration: 50, shared: true });
});
