import type { OtlpBatch } from "../trace/otlp-batches.ts";
import { decodeOtlpJson } from "../trace/otlp-json-decode.ts";
import { decodeOtlpProtobuf } from "../trace/otlp-protobuf-decode.ts";
import { ProtobufWriter } from "../trace/protobuf.ts";
import type { Span } from "../trace/span.ts";
import { decodeZipkinSlices, decodeZipkinV1Slices } from "../trace/zipkin-json.ts";
import { decodeZipkinProtobuf } from "../trace/zipkin-protobuf.ts";
import type { CollectorMetrics } from "./collector-metrics.ts";
import { HttpError } from "./http-error.ts";
import type { LiveRecorder } from "./live-recorder.ts";
import { mediaTypeOf } from "./otlp-status.ts";
import { Pause } from "./pause.ts";
import type { RunProof } from "./proof.ts";
import { readBody } from "./request-body.ts";
import { sampleSpans } from "./sampler.ts";
import type { TraceStore } from "./store.ts";

export interface IngestParts {
  readonly store: TraceStore;
  readonly live: LiveRecorder;
  readonly metrics: CollectorMetrics;
  /** `null` when this process drives no load. */
  readonly proof: RunProof | null;
  /** The share of traces that is kept, 0 to 1. */
  readonly sampleRate: number;
}

/** `POST /api/v2/spans`: answers once the spans are stored. */
export async function addZipkinSpans(request: Request, parts: IngestParts): Promise<Response> {
  const isProtobuf = mediaTypeOf(request) === "application/x-protobuf";
  return storeZipkin(request, isProtobuf ? decodeZipkinProtobuf : decodeZipkinSlices, parts);
}

/** `POST /api/v1/spans`: JSON only. Zipkin also accepts Thrift here, which no recent client sends. */
export async function addZipkinV1Spans(request: Request, parts: IngestParts): Promise<Response> {
  if (mediaTypeOf(request) === "application/x-thrift")
    throw new HttpError(415, "Expected application/json but found application/x-thrift");
  return storeZipkin(request, decodeZipkinV1Slices, parts);
}

async function storeZipkin(
  request: Request,
  decode: (body: Uint8Array) => Iterable<Span[]>,
  parts: IngestParts,
): Promise<Response> {
  const body = await receive(request, parts);
  const groups = await dropping(parts, () => runSliced(decode(body)));
  await keepAll(groups, parts);
  return new Response(null, { status: 202 });
}

/** `POST /v1/traces`: https://opentelemetry.io/docs/specs/otlp/#otlphttp */
export async function addOtlpSpans(request: Request, parts: IngestParts): Promise<Response> {
  const type = mediaTypeOf(request);
  if (type !== "application/json" && type !== "application/x-protobuf") {
    throw new HttpError(
      415,
      `Expected application/x-protobuf or application/json but found ${type || "none"}`,
    );
  }
  const isJson = type === "application/json";
  const body = await receive(request, parts);
  const decode = isJson ? decodeOtlpJson : decodeOtlpProtobuf;
  const batches = await dropping(parts, () => runSliced(decode(body)));
  await keepAll(
    batches.map(({ spans }) => spans),
    parts,
  );
  const rejected = batches.reduce((sum, batch) => sum + batch.rejected, 0);
  parts.metrics.spansDropped += rejected;
  if (rejected > 0) parts.live.recordDropped(rejected);
  return new Response(formatOtlpAnswer(batches, rejected, isJson), { headers: { "Content-Type": type } });
}

async function receive(request: Request, { metrics }: IngestParts): Promise<Uint8Array> {
  metrics.messages++;
  try {
    const body = await readBody(request);
    metrics.bytes += body.length;
    metrics.messageBytes = body.length;
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

/**
 * Decodes in slices, so that queries run in between. A batch is decoded fully before any span is stored, because one
 * bad span rejects it.
 */
async function runSliced<T>(slices: Iterable<T>): Promise<T[]> {
  const pause = new Pause();
  const done: T[] = [];
  for (const slice of slices) {
    done.push(slice);
    await pause.turn();
  }
  return done;
}

async function keepAll(groups: readonly (readonly Span[])[], parts: IngestParts): Promise<void> {
  const count = groups.reduce((sum, spans) => sum + spans.length, 0);
  // As in Zipkin, a message without spans does not count.
  if (count > 0) parts.metrics.messageSpans = count;
  for (const spans of groups) if (spans.length > 0) await keep(spans, parts);
}

async function keep(
  spans: readonly Span[],
  { store, live, metrics, proof, sampleRate }: IngestParts,
): Promise<void> {
  metrics.spans += spans.length;
  const sampled = sampleSpans(spans, sampleRate);
  const sampledOut = spans.length - sampled.length;
  metrics.spansDropped += sampledOut;
  metrics.spansSampledOut += sampledOut;
  if (sampled.length === 0) return;
  try {
    await store.addSoon(sampled);
  } catch (error) {
    metrics.spansDropped += sampled.length;
    live.recordDropped(sampled.length);
    throw error;
  }
  live.record(sampled);
  proof?.record(sampled);
}

function formatOtlpAnswer(batches: readonly OtlpBatch[], rejected: number, isJson: boolean): Bun.BodyInit {
  const message = batches.find((batch) => batch.message !== "")?.message ?? "";
  if (isJson) {
    const partialSuccess = { rejectedSpans: String(rejected), errorMessage: message };
    return JSON.stringify(rejected === 0 ? {} : { partialSuccess });
  }
  const writer = new ProtobufWriter();
  if (rejected > 0) writer.nested(1, (partial) => partial.varint(1, rejected).text(2, message));
  return writer.finish();
}
