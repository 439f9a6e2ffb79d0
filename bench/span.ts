/**
 * Measures the cost of a span from its start until its bytes are in the batch, compared with OpenTelemetry's
 * JavaScript SDK.
 *
 *     bun bench/span.ts [--rounds 15] [--write]
 *
 * - Scenario: the two spans of a hop, a SERVER span with a remote parent and its CLIENT span, with a link's
 *   default tags: new ids, clock readings, the span's bytes, and the end of a batch after every 512 spans. No
 *   sockets.
 * - Compared: our formats; the SDK with the encoders of its exporters (`toZipkinSpan` and `JSON.stringify`, the
 *   OTLP serializers) and a processor that only collects.
 * - Metric: ns per span. All take turns; the median counts, and the median of the ratios within a round.
 * - In addition: the cost of the ledger per hop: hash two spans, add a callee's ledger, write ours.
 * - Asserted first: both encode the same spans identically; reading a written ledger returns the same ledger.
 * - `--write` updates docs/performance.md and bench/README.md.
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import manifest from "../package.json";
import { ByteWriter } from "../src/http/byte-writer.ts";
import { createExporter } from "../src/link/export.ts";
import { REPORTER_DEFAULTS } from "../src/link/reporter.ts";
import { RequestLedger } from "../src/link/request-ledger.ts";
import { type SpanFormat, SpanRecord, type SpanTemplate } from "../src/link/span-format.ts";
import { SpanId } from "../src/link/span-id.ts";
import { clientTags, SCOPE_NAME, serverTags } from "../src/link/tags.ts";
import { MACHINE_CLOCK } from "../src/link/wall-clock.ts";
import { hashService, KIND_WORDS } from "../src/trace/ledger.ts";
import { readProtobuf } from "../test/helpers/protobuf-reader.ts";
import { OTEL_ENCODERS, OtelSpans, type ReadableSpan, remoteContext } from "./otel-spans.ts";
import { describeMachine, renderTable, writePages } from "./page.ts";
import { median } from "./process.ts";

const { values: options } = parseArgs({
  options: { rounds: { type: "string", default: "15" }, write: { type: "boolean", default: false } },
});
const ROUNDS = Number(options.rounds);
const HOPS = 20_000;
const BATCH = REPORTER_DEFAULTS.batchSize;

const FORMATS = ["zipkin", "otlp-protobuf", "otlp-json"] as const;
type FormatName = (typeof FORMATS)[number];

const SERVICE = "chain-link-service-1";
const PORT = 3000;
const SCOPE = { name: SCOPE_NAME, version: manifest.version };
const URL = "http://chain-link-service-2:3000/forward";
const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const PARENT_ID = "b7ad6b7169203331";
/** Hex text of {@link TRACE_ID}, {@link PARENT_ID} and the ids of both spans. */
const ids = Buffer.from(TRACE_ID + PARENT_ID + "0".repeat(32));
const [TRACE_END, PARENT, SERVER, CLIENT] = [32, 32, 48, 64];
const id = new SpanId();

const tagSource = { tagSet: "default", port: PORT } as const;
const request = {
  method: "GET",
  target: "/forward",
  path: "/forward",
  peer: null,
  host: `${SERVICE}:${PORT}`,
  header: () => null,
};
const SERVER_SPAN = {
  kind: "SERVER",
  name: "/forward",
  tags: serverTags(tagSource, request, { status: 200, cause: null }, "/forward"),
} as const;
const CLIENT_SPAN = {
  kind: "CLIENT",
  name: "http get",
  tags: clientTags(tagSource, "GET", URL, { status: 200 }, 0),
} as const;
const INTEGERS = ["http.status_code", "http.response.status_code", "server.port"];

/** Our formats with the span templates that a link prepares. */
class OwnSpans {
  readonly out = new ByteWriter(512 * 1024);
  readonly #format: SpanFormat;
  readonly #server: SpanTemplate;
  readonly #client: SpanTemplate;
  readonly #noPeer: Uint8Array;
  readonly #record = new SpanRecord();
  #spans = 0;

  constructor(name: FormatName) {
    const url = "http://localhost";
    const target =
      name === "zipkin"
        ? ({ kind: "zipkin", url } as const)
        : ({
            kind: "otlp",
            url,
            headers: {},
            protocol: name === "otlp-json" ? "http/json" : "http/protobuf",
          } as const);
    const resource = { attributes: { "service.name": SERVICE }, scope: SCOPE };
    this.#format = createExporter(target, { serviceName: SERVICE, port: PORT }, resource).format;
    this.#server = this.#format.render(SERVER_SPAN);
    this.#client = this.#format.render(CLIENT_SPAN);
    this.#noPeer = this.#format.renderPeer(null);
  }

  /** Records like `src/link/visit.ts`. */
  recordHop(): void {
    id.renew(ids, SERVER as number);
    const serverStartMs = performance.now();
    id.renew(ids, CLIENT as number);
    const clientStartMs = performance.now();
    const endMs = performance.now();
    this.write(CLIENT, SERVER, clientStartMs, endMs, this.#client);
    this.write(SERVER, PARENT, serverStartMs, endMs, this.#server);
  }

  write(idAt: number, parentAt: number, startMs: number, endMs: number, template: SpanTemplate): void {
    const startMicros = MACHINE_CLOCK.toMicros(startMs);
    this.add(idAt, parentAt, startMicros, Math.max(1, Math.floor((endMs - startMs) * 1000 + 0.5)), template);
    if (this.#spans >= BATCH) this.end();
  }

  add(
    idAt: number,
    parentAt: number,
    startMicros: number,
    durationMicros: number,
    template: SpanTemplate,
  ): void {
    const record = this.#record;
    record.ids = ids;
    record.traceEnd = TRACE_END as number;
    record.idAt = idAt;
    record.parentAt = parentAt;
    record.template = template;
    record.startMicros = startMicros;
    record.durationMicros = durationMicros;
    record.peer = this.#noPeer;
    if (this.#spans === 0) this.#format.begin(this.out);
    this.#format.write(this.out, record);
    this.#spans++;
  }

  /** Encodes spans of the SDK in our format, with their ids and times. */
  copy(spans: readonly ReadableSpan[]): Uint8Array {
    for (const span of spans) {
      const isServer = span.name === SERVER_SPAN.name;
      const at = (isServer ? SERVER : CLIENT) as number;
      ids.write(span.spanContext().spanId, at);
      if (!isServer) ids.write(span.parentSpanContext?.spanId ?? "", SERVER as number);
      const parentAt = (isServer ? PARENT : SERVER) as number;
      const template = isServer ? this.#server : this.#client;
      this.add(at, parentAt, toMicros(span.startTime), toMicros(span.duration), template);
    }
    return Uint8Array.from(this.end());
  }

  end(): Uint8Array {
    const body = this.#format.end(this.out);
    this.out.length = 0;
    this.#spans = 0;
    return body;
  }
}

/** Converts seconds and nanoseconds. */
function toMicros([seconds, nanos]: readonly [number, number]): number {
  return seconds * 1e6 + Math.round(nanos / 1000);
}

const otel = new OtelSpans(SERVICE, SCOPE);
const remote = remoteContext(TRACE_ID, PARENT_ID);
const serverShape = { name: SERVER_SPAN.name, attributes: attributesOf(SERVER_SPAN.tags) };
const clientShape = { name: CLIENT_SPAN.name, attributes: attributesOf(CLIENT_SPAN.tags) };

function attributesOf(tags: Readonly<Record<string, string>>): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(tags).map(([key, value]) => [key, INTEGERS.includes(key) ? Number(value) : value]),
  );
}

checkSameSpans();
const ledgerNanos = measureLedger();
const rows = FORMATS.map(measureFormat);
const results = renderTable(["format", "chain-link, ns", "OpenTelemetry SDK, ns", "ratio"], rows);
const notes = [
  `- The ledger of a hop: ${ledgerNanos.toFixed(0)} ns.`,
  `- ${describeMachine()}; @opentelemetry/sdk-trace ${manifest.devDependencies["@opentelemetry/sdk-trace"]}; ${ROUNDS} rounds of ${2 * HOPS} spans each, ${new Date().toISOString().slice(0, 10)}.`,
];
console.log([...results, "", ...notes].join("\n"));
if (options.write) writePages("bench:span", results, notes);

function measureFormat(name: FormatName): string[] {
  const own = new OwnSpans(name);
  const measured = { ours: [] as number[], theirs: [] as number[] };
  const runs = [
    () => measured.ours.push(time(() => own.recordHop())),
    () => measured.theirs.push(time(() => recordOtelHop(name))),
  ];
  // The first two rounds compile the code.
  for (let round = 0; round < ROUNDS + 2; round++)
    for (const run of round % 2 === 0 ? runs : runs.toReversed()) run();
  const [ours, theirs] = [measured.ours.slice(2), measured.theirs.slice(2)];
  const ratio = median(ours.map((nanos, round) => (theirs[round] ?? Number.NaN) / nanos));
  return [name, median(ours).toFixed(0), median(theirs).toFixed(0), `1/${ratio.toFixed(0)}`];
}

function recordOtelHop(name: FormatName): void {
  otel.recordHop(remote, serverShape, clientShape);
  if (otel.ended.length < BATCH) return;
  OTEL_ENCODERS[name](otel.ended, SERVICE);
  otel.ended = [];
}

/** Returns ns per span. */
function time(recordHop: () => void): number {
  const startNanos = Bun.nanoseconds();
  for (let i = 0; i < HOPS; i++) recordHop();
  return (Bun.nanoseconds() - startNanos) / HOPS / 2;
}

/** Returns ns per hop. Asserts that the written ledger contains the callee's ledger and both spans. */
function measureLedger(): number {
  const below = Buffer.from("7-0123456789abcdef");
  const hash = hashService(SERVICE);
  const [client, server, parent] = [new SpanId(), new SpanId(), new SpanId()];
  for (const one of [client, server, parent]) one.renew(ids, CLIENT as number);
  const ledger = new RequestLedger();
  const out = new ByteWriter();
  const hop = () => {
    ledger.clear();
    ledger.takeIn(below, 0, below.length);
    ledger.addSpan(client, server, KIND_WORDS.CLIENT as number, hash);
    ledger.addSpan(server, parent, KIND_WORDS.SERVER as number, hash);
    out.length = 0;
    ledger.write(out);
  };
  hop();
  const written = new RequestLedger();
  assert.ok(written.takeIn(out.bytes, 0, out.length));
  assert.deepEqual(
    [written.count, written.high >>> 0, written.low >>> 0],
    [9, ledger.high >>> 0, ledger.low >>> 0],
  );
  const found = Array.from({ length: ROUNDS + 2 }, () => 2 * time(hop));
  return median(found.slice(2));
}

/** Asserts that both encode one batch identically in every format. */
function checkSameSpans(): void {
  const times: [[number, number], [number, number]] = [
    [1_795_000_000, 123_456_000],
    [1_795_000_000, 125_000_000],
  ];
  otel.recordHop(remote, serverShape, clientShape, times);
  const spans = otel.ended;
  otel.ended = [];
  const pairs = FORMATS.map((name) => [
    Buffer.from(new OwnSpans(name).copy(spans)),
    Buffer.from(OTEL_ENCODERS[name](spans, SERVICE)),
  ]) as [Buffer, Buffer][];
  const [zipkin, protobuf, json] = pairs.map(([ours, theirs], index) => {
    const read = [readZipkin, readOtlpProtobuf, readOtlpJson][index] as (body: Buffer) => unknown;
    return [read(ours), read(theirs)];
  });
  assert.deepEqual(zipkin?.[0], zipkin?.[1]);
  assert.deepEqual(protobuf?.[0], protobuf?.[1]);
  assert.deepEqual(json?.[0], json?.[1]);
}

/** Drops the fields that only one of them writes: our port, and their resource and scope tags. */
function readZipkin(body: Buffer): unknown {
  type ZipkinSpan = {
    readonly localEndpoint: { readonly serviceName: string };
    readonly tags: Record<string, string>;
  };
  return (JSON.parse(body.toString()) as ZipkinSpan[]).map(({ localEndpoint, tags, ...rest }) => ({
    ...rest,
    service: localEndpoint.serviceName,
    tags: Object.entries(tags)
      .filter(([key]) => key.startsWith("http.") || key.startsWith("server.") || key.startsWith("url."))
      .sort(),
  }));
}

/** Ids, name, kind, times and attributes. */
function readOtlpProtobuf(body: Buffer): unknown {
  const [resourceSpans] = readProtobuf(body).get(1) ?? [];
  const [scopeSpans] = readProtobuf(resourceSpans as Uint8Array).get(2) ?? [];
  const spans = readProtobuf(scopeSpans as Uint8Array).get(2) ?? [];
  return spans.map((span) => {
    const fields = readProtobuf(span as Uint8Array);
    const text = (field: number) =>
      fields
        .get(field)
        ?.map((value) => (typeof value === "bigint" ? value.toString() : Buffer.from(value).toString("hex")))
        .sort();
    return [1, 2, 4, 5, 6, 7, 8, 9].map(text);
  });
}

/** JSON may write a 64-bit number as a string or as a number. */
function readOtlpJson(body: Buffer): unknown {
  type Attribute = { readonly key: string; readonly value: Readonly<Record<string, unknown>> };
  type OtlpSpan = Record<string, unknown> & { readonly attributes: Attribute[] };
  const [{ scopeSpans }] = (
    JSON.parse(body.toString()) as { resourceSpans: [{ scopeSpans: [{ spans: OtlpSpan[] }] }] }
  ).resourceSpans;
  return scopeSpans[0].spans.map((span) => [
    ...["traceId", "spanId", "parentSpanId", "name", "kind"].map((key) => span[key]),
    ...["startTimeUnixNano", "endTimeUnixNano"].map((key) => String(span[key])),
    span.attributes.map(({ key, value }) => `${key} ${Object.entries(value).join()}`).sort(),
  ]);
}
