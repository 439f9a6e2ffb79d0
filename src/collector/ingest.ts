import { sliceJsonList } from "../trace/json-slices.ts";
import { decodeOtlpJson, decodeOtlpProtobuf, type OtlpBatch, OtlpError } from "../trace/otlp-decode.ts";
import { ProtobufWriter } from "../trace/protobuf.ts";
import { ProtobufError } from "../trace/protobuf-reader.ts";
import type { Span } from "../trace/span.ts";
import { decodeZipkinJson, ZipkinError } from "../trace/zipkin-json.ts";
import { decodeZipkinProtobuf } from "../trace/zipkin-protobuf.ts";
import type { CollectorMetrics } from "./collector-metrics.ts";
import { HttpError } from "./http-error.ts";
import type { LiveRecorder } from "./live-recorder.ts";
import { Pause } from "./pause.ts";
import type { RunProof } from "./proof.ts";
import { readBody } from "./request-body.ts";
import { sampleSpans } from "./sampler.ts";
import type { TraceStore } from "./store.ts";

export interface IngestParts {
  readonly store: TraceStore;
  readonly live: LiveRecorder;
  readonly metrics: CollectorMetrics;
  /** `null` where nobody drives a load. */
  readonly proof: RunProof | null;
  /** The share of traces that is kept, 0 to 1. */
  readonly sampleRate: number;
}

/** A batch below this is decoded in one go: some milliseconds. */
const SLICE_BYTES = 512 * 1024;

/** `POST /api/v2/spans`: answers when the spans are stored. */
export async function addZipkinSpans(request: Request, parts: IngestParts): Promise<Response> {
  const body = await receive(request, parts);
  const isProtobuf = /^application\/x-protobuf\b/i.test(request.headers.get("content-type") ?? "");
  const spans = await dropping(parts, () => (isProtobuf ? decodeGroups(body) : decodeJson(body)));
  await keep(spans, parts);
  return new Response(null, { status: 202 });
}

/** `POST /v1/traces`: https://opentelemetry.io/docs/specs/otlp/#otlphttp */
export async function addOtlpSpans(request: Request, parts: IngestParts): Promise<Response> {
  const type = (request.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json" && type !== "application/x-protobuf") {
    throw new HttpError(
      415,
      `Expected application/x-protobuf or application/json but found ${type || "none"}`,
    );
  }
  const isJson = type === "application/json";
  try {
    const body = await receive(request, parts);
    const all = await dropping(parts, () =>
      decodeOtlp(isJson ? decodeOtlpJson(body) : decodeOtlpProtobuf(body)),
    );
    await keep(all.spans, parts);
    parts.metrics.spansDropped += all.rejected;
    if (all.rejected > 0) parts.live.recordDropped(all.rejected);
    return new Response(formatOtlpAnswer(all, isJson), { headers: { "Content-Type": type } });
  } catch (error) {
    const isMalformed =
      error instanceof OtlpError ||
      error instanceof ProtobufError ||
      (error instanceof HttpError && error.status === 400);
    if (!isMalformed) throw error;
    return new Response(formatStatus(error.message, isJson), {
      status: 400,
      headers: { "Content-Type": type },
    });
  }
}

async function receive(request: Request, { metrics }: IngestParts): Promise<Uint8Array> {
  metrics.messages++;
  try {
    const body = await readBody(request);
    metrics.bytes += body.length;
    return body;
  } catch (error) {
    metrics.messagesDropped++;
    throw error;
  }
}

async function dropping<T>({ metrics }: IngestParts, decode: () => Promise<T>): Promise<T> {
  try {
    return await decode();
  } catch (error) {
    metrics.messagesDropped++;
    throw error;
  }
}

/** In commits of their own when there are many, so that others come in between. */
async function keep(
  spans: readonly Span[],
  { store, live, metrics, proof, sampleRate }: IngestParts,
): Promise<void> {
  metrics.spans += spans.length;
  const sampled = sampleSpans(spans, sampleRate);
  metrics.spansDropped += spans.length - sampled.length;
  for (let start = 0; start < sampled.length; start += COMMIT_SPANS) {
    const some = sampled.length <= COMMIT_SPANS ? sampled : sampled.slice(start, start + COMMIT_SPANS);
    try {
      await store.addSoon(some);
    } catch (error) {
      metrics.spansDropped += sampled.length - start;
      live.recordDropped(sampled.length - start);
      throw error;
    }
    live.record(some);
    proof?.record(some);
  }
}

const COMMIT_SPANS = 2000;

async function decodeJson(body: Uint8Array): Promise<Span[]> {
  if (body.length <= SLICE_BYTES || body[0] !== OPENING_BRACKET) return decodeZipkinJson(body);
  const pause = new Pause();
  const spans: Span[] = [];
  const slices = sliceJsonList(body, SLICE_BYTES / 4);
  for (let slice = slices.next(); ; slice = slices.next()) {
    // Something is wrong, and the whole tells what.
    if (slice.done) return slice.value ? spans : decodeZipkinJson(body);
    append(spans, decodeSlice(slice.value.text, spans.length, body));
    await pause.turn();
  }
}

const OPENING_BRACKET = 0x5b;

function decodeSlice(text: string, firstIndex: number, body: Uint8Array): Span[] {
  try {
    return decodeZipkinJson(text, firstIndex);
  } catch (error) {
    // Places in a slice mean nothing to who sent the whole; what is misplaced in it does.
    if (error instanceof ZipkinError && !error.message.includes("$[")) return decodeZipkinJson(body);
    throw error;
  }
}

async function decodeGroups(body: Uint8Array): Promise<Span[]> {
  const pause = new Pause();
  const spans: Span[] = [];
  for (const group of decodeZipkinProtobuf(body)) {
    append(spans, group);
    await pause.turn();
  }
  return spans;
}

async function decodeOtlp(batches: Iterable<OtlpBatch>): Promise<OtlpBatch> {
  const pause = new Pause();
  const all: OtlpBatch = { spans: [], rejected: 0, message: "" };
  for (const batch of batches) {
    append(all.spans, batch.spans);
    all.rejected += batch.rejected;
    all.message ||= batch.message;
    await pause.turn();
  }
  return all;
}

function append(spans: Span[], more: readonly Span[]): void {
  for (const span of more) spans.push(span);
}

function formatOtlpAnswer({ rejected, message }: OtlpBatch, isJson: boolean): Bun.BodyInit {
  if (isJson) {
    const partialSuccess = { rejectedSpans: String(rejected), errorMessage: message };
    return JSON.stringify(rejected === 0 ? {} : { partialSuccess });
  }
  const writer = new ProtobufWriter();
  if (rejected > 0) writer.nested(1, (partial) => partial.varint(1, rejected).text(2, message));
  return writer.finish();
}

/** `INVALID_ARGUMENT` of https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
const INVALID_ARGUMENT = 3;

function formatStatus(message: string, isJson: boolean): Bun.BodyInit {
  if (isJson) return JSON.stringify({ code: INVALID_ARGUMENT, message });
  return new ProtobufWriter().varint(1, INVALID_ARGUMENT).text(2, message).finish();
}
