import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import { ProtobufWriter } from "../../src/trace/protobuf.ts";
import type { Span } from "../../src/trace/span.ts";
import { temporaryFolder } from "../helpers/cli.ts";
import { hexId, newTraceId } from "./spans.ts";

const HALF = "\ud83d";
/**
 * Lone surrogates as `JSON.stringify` writes them, in capitals as Java does, the other half, and a pair in the wrong
 * order.
 */
const ESCAPES = ["\\ud83d", "\\uD83D", "\\ude00", "\\ude00\\ud83d"];
const REPLACED = "\ufffd";

let collector: Collector;
beforeAll(() => {
  collector = startCollector({ host: "127.0.0.1", port: 0, autocompleteKeys: ["note"] });
});
afterAll(() => collector.stop());

async function post(path: string, type: string, body: Bun.BodyInit): Promise<void> {
  const response = await fetch(collector.url + path, {
    method: "POST",
    body,
    headers: { "Content-Type": type },
  });
  expect(response.status).toBeLessThan(300);
}

/** An unescaped lone surrogate is three bytes that are not valid UTF-8. */
function rawHalf(json: string): Buffer {
  const [before = "", after = ""] = json.split("HALF");
  return Buffer.concat([Buffer.from(before), Buffer.from([0xed, 0xa0, 0xbd]), Buffer.from(after)]);
}

const JSON_TYPE = "application/json";
const PROTOBUF = "application/x-protobuf";
const zipkin = (id: string, half: string) =>
  `[{"traceId":"${id}","id":"1","name":"n${half}","timestamp":1700000000000000,"localEndpoint":{"serviceName":"s${half}"},` +
  `"annotations":[{"timestamp":5,"value":"a${half}"}],"tags":{"k${half}":"v${half}"}}]`;
const zipkinV1 = (id: string, half: string) =>
  `[{"traceId":"${id}","id":"1","name":"n${half}","timestamp":1700000000000000,"annotations":[{"timestamp":5,"value":"a${half}","endpoint":{"serviceName":"s${half}"}}],` +
  `"binaryAnnotations":[{"key":"k${half}","value":"v${half}"}]}]`;
const otlp = (id: string, half: string) =>
  `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s${half}"}}]},"scopeSpans":[{"spans":[` +
  `{"traceId":"${id.padStart(32, "0")}","spanId":"${hexId(1)}","name":"n${half}","startTimeUnixNano":"1700000000000000000",` +
  `"events":[{"timeUnixNano":"5000","name":"a${half}"}],"attributes":[{"key":"k${half}","value":{"stringValue":"v${half}"}}]}]}]}]}`;

async function expectReplaced(traceId: string): Promise<void> {
  const text = await (await fetch(`${collector.url}/api/v2/trace/${traceId}`)).text();
  expect(text).not.toMatch(/\\u[dD][89a-fA-F]/);
  const [span] = JSON.parse(text) as [Span];
  const shown = [
    span.name,
    span.localEndpoint?.serviceName,
    span.annotations?.[0]?.value,
    ...Object.entries(span.tags ?? {}).flat(),
  ];
  expect(shown).toHaveLength(5);
  expect(shown.every((it) => it?.isWellFormed() && /^[nsakv]\ufffd+$/.test(it))).toBe(true);
}

test.each([
  ["Zipkin v2", "/api/v2/spans", zipkin],
  ["Zipkin v1", "/api/v1/spans", zipkinV1],
  ["OTLP", "/v1/traces", otlp],
])("%s JSON with half a surrogate pair is stored with U+FFFD", async (_, path, bodyOf) => {
  for (const half of ESCAPES) {
    const traceId = newTraceId();
    await post(path, JSON_TYPE, bodyOf(traceId, half));
    await expectReplaced(traceId);
  }
  const traceId = newTraceId();
  await post(path, JSON_TYPE, rawHalf(bodyOf(traceId, "").replace('"n"', '"nHALF"')));
  expect(collector.store.trace(traceId)?.[0]?.name).toBe(`n${REPLACED.repeat(3)}`);
});

test("valid text beside ill-formed text is kept: surrogate pairs, backslashes and NUL", async () => {
  const traceId = newTraceId();
  const value = "\\\\ud83d \\ud83d\\ude00 \\u0000 \\uD83D";
  await post("/api/v2/spans", JSON_TYPE, `[{"traceId":"${traceId}","id":"1","tags":{"a":"${value}"}}]`);
  expect(collector.store.trace(traceId)?.[0]?.tags).toEqual({ a: `\\ud83d 😀 \0 ${REPLACED}` });
});

test("ill-formed text is also replaced in spans whose template is cached", async () => {
  for (let round = 0; round < 3; round++) {
    const ids = Array.from({ length: 40 }, newTraceId);
    const spans = ids.map((traceId) => ({
      traceId,
      id: hexId(1),
      timestamp: 5,
      tags: { note: `cut ${HALF}` },
    }));
    await post("/api/v2/spans", JSON_TYPE, JSON.stringify(spans));
    for (const id of ids) expect(collector.store.trace(id)?.[0]?.tags).toEqual({ note: `cut ${REPLACED}` });
  }
  expect(collector.store.tagValues("note")).toEqual([`cut ${REPLACED}`]);
});

test("invalid UTF-8 in protobuf is stored as U+FFFD", async () => {
  const [short, long] = [newTraceId(), `00000000000000aa${newTraceId()}`];
  // Written as "?" here and damaged afterwards.
  const spoil = (bytes: Uint8Array) => new Uint8Array(bytes).map((byte) => (byte === 0x3f ? 0xed : byte));
  const span = new ProtobufWriter().nested(1, (it) => it.hex(1, short).hex(3, hexId(1)).text(5, "n?"));
  await post("/api/v2/spans", PROTOBUF, spoil(span.finish()));
  const request = new ProtobufWriter().nested(1, (resource) =>
    resource.nested(2, (scope) => scope.nested(2, (it) => it.hex(1, long).hex(2, hexId(1)).text(5, "n?"))),
  );
  await post("/v1/traces", PROTOBUF, spoil(request.finish()));
  for (const id of [short, long]) expect(collector.store.trace(id)?.[0]?.name).toBe(`n${REPLACED}`);
});

test.each([
  ["jq", "jq", ["-e", "length > 0"]],
  [
    "Python",
    "python3",
    ["-c", "import json, sys; json.dumps(json.load(sys.stdin), ensure_ascii=False).encode()"],
  ],
])("%s reads every answer", async (_, program, args) => {
  if (Bun.which(program) === null) return;
  const query = `endTs=${Date.now()}&lookback=${Date.now()}&limit=1000`;
  for (const path of [`/api/v2/traces?${query}`, "/api/v2/services", `/page/traces?${query}`]) {
    const input = await (await fetch(collector.url + path)).text();
    expect([path, spawnSync(program, args, { input }).status]).toEqual([path, 0]);
  }
});

test("a file store keeps NUL and replaced text when it is opened again", async () => {
  using folder = temporaryFolder();
  const file = `${folder.path}/spans.db`;
  const open = () => startCollector({ host: "127.0.0.1", port: 0, file });
  const first = open();
  // Stored twice, like earlier versions did, so that the text gets its own number and row.
  const spans = [1, 2, 3].map((id) => ({
    traceId: hexId(7),
    id: hexId(id),
    name: `a\0${HALF}`,
    tags: { [`k${HALF}`]: `\0v${HALF}` },
  }));
  for (const span of spans) first.store.add([span]);
  await first.stop();
  const again = open();
  const text = await (await fetch(`${again.url}/api/v2/trace/${hexId(7)}`)).text();
  await again.stop();
  expect(JSON.parse(text)).toEqual(
    spans.map((span) => ({
      ...span,
      name: `a\0${REPLACED}`,
      tags: { [`k${REPLACED}`]: `\0v${REPLACED}` },
    })),
  );
  expect(text).not.toContain("\\ud83d");
});
