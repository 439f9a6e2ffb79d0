/**
 * Feeds damaged batches to every decoder of the collector and to its store: `bun test/fuzz/collector.ts [COUNT]
 * [FIRST_SEED]`. A batch is either decoded, stored and read back, or rejected with an error that is meant for
 * clients.
 */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { SpanStore } from "../../src/collector/span-store.ts";
import { randomSource } from "../../src/lib/random.ts";
import { encodeOtlpJson, encodeOtlpProtobuf } from "../../src/trace/otlp.ts";
import { decodeOtlpJson } from "../../src/trace/otlp-json-decode.ts";
import { decodeOtlpProtobuf } from "../../src/trace/otlp-protobuf-decode.ts";
import { OtlpError } from "../../src/trace/otlp-span.ts";
import { ProtobufError } from "../../src/trace/protobuf-reader.ts";
import type { Span } from "../../src/trace/span.ts";
import { SpanPatterns } from "../../src/trace/span-patterns.ts";
import { ZipkinError } from "../../src/trace/zipkin-fields.ts";
import { decodeZipkinJson, decodeZipkinSlices } from "../../src/trace/zipkin-json.ts";
import { decodeZipkinProtobuf } from "../../src/trace/zipkin-protobuf.ts";
import { hexId, makeChain } from "../collector/spans.ts";
import { encodeZipkinProtobuf } from "../helpers/zipkin-protobuf.ts";

const count = Number(process.argv[2] ?? 100_000);
const first = Number(process.argv[3] ?? 1);

const chain = makeChain(`${hexId(7)}${hexId(9)}`, 2, 1_700_000_000_000);
const resource = { attributes: { "service.name": "a" }, scope: { name: "s", version: "1" } };
const otlp = Buffer.from(encodeOtlpProtobuf(chain, resource));

const whole = Array.from({ length: 8 }, () => chain).flat();
const WHOLE_JSON = Buffer.from(JSON.stringify(whole));
const WHOLE_PROTOBUF = encodeZipkinProtobuf(whole);

/** Checks that span patterns change neither the decoded spans nor the rejected batches. */
function readTwice(read: () => Iterable<Span[]>, plainly: () => Iterable<Span[]>): Span[] {
  // Intact spans come between damaged ones, because the decoder stops using patterns after many damaged spans.
  for (const _ of decodeZipkinSlices(WHOLE_JSON));
  for (const _ of decodeZipkinProtobuf(WHOLE_PROTOBUF));
  let spans: Span[];
  try {
    spans = [...read()].flat();
  } catch (error) {
    assert.throws(() => [...plainly()], { message: (error as Error).message });
    throw error;
  }
  assert.deepEqual(spans, [...plainly()].flat());
  return spans;
}

type Decode = (body: Uint8Array) => Span[];
const DECODERS: readonly (readonly [name: string, seedBody: Buffer, decode: Decode])[] = [
  [
    "Zipkin JSON",
    Buffer.from(JSON.stringify(chain)),
    (body) =>
      readTwice(
        () => decodeZipkinSlices(body),
        () => [decodeZipkinJson(body)],
      ),
  ],
  [
    "OTLP JSON",
    Buffer.from(encodeOtlpJson(chain, resource)),
    (body) => [...decodeOtlpJson(body)].flatMap((it) => it.spans),
  ],
  ["OTLP protobuf", otlp, (body) => [...decodeOtlpProtobuf(body)].flatMap((it) => it.spans)],
  [
    "Zipkin protobuf",
    Buffer.from(encodeZipkinProtobuf(chain)),
    (body) =>
      readTwice(
        () => decodeZipkinProtobuf(body),
        () => decodeZipkinProtobuf(body, new SpanPatterns()),
      ),
  ],
];
const WORDS = [
  "null",
  "[",
  "{",
  "}",
  '"',
  "\\u0000",
  "1e999",
  "-1",
  "\xff\xff\xff\xff\x0f",
  "\x00",
  "[[[[",
  ",",
  ":",
];

/** Damaged batches grow one trace; with more of them in one store, reading it would dominate the run time. */
const BATCHES_A_STORE = 40;

let store = new SpanStore();
let taken = 0;
for (let seed = first; seed < first + count; seed++) {
  if ((seed - first) % BATCHES_A_STORE === 0) {
    store.close();
    store = new SpanStore();
  }
  const random = randomSource(String(seed))("damage");
  const [name, body, decode] = DECODERS[seed % DECODERS.length] as (typeof DECODERS)[number];
  try {
    const spans = decode(damage(body, random));
    store.add(spans);
    for (const span of spans.slice(0, 2))
      assert.ok(
        store.trace(span.traceId)?.some((stored) => isDeepStrictEqual(stored, span)),
        "a span is not found as it came",
      );
    taken += spans.length;
  } catch (error) {
    if (error instanceof ZipkinError || error instanceof OtlpError || error instanceof ProtobufError)
      continue;
    process.stderr.write(`${name} fails with seed ${seed}\n`);
    throw error;
  }
}
process.stdout.write(
  `${count} batches, seeds ${first} to ${first + count - 1}: ${taken} spans stored, the rest refused\n`,
);

/** Damages one to four places: cuts, overwrites, doubles them or inserts values that decoders get wrong. */
function damage(body: Buffer, random: () => number): Uint8Array {
  let bytes = Buffer.from(body);
  const below = (limit: number) => Math.floor(random() * limit);
  for (let times = 1 + below(4); times > 0; times--) {
    const at = below(bytes.length + 1);
    const end = Math.min(bytes.length, at + below(12));
    const kind = below(5);
    const word = Buffer.from(WORDS[below(WORDS.length)] as string, "latin1");
    if (kind === 0) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    else if (kind === 1) bytes = bytes.subarray(0, at);
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), word, bytes.subarray(at)]);
    else if (at < bytes.length) bytes[at] = below(256);
  }
  return bytes;
}
