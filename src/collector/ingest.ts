import type { OtlpBatch } from "../trace/otlp-batches.ts";
import { decodeOtlpJson } from "../trace/otlp-json-decode.ts";
import { decodeOtlpProtobuf } from "../trace/otlp-protobuf-decode.ts";
import { OtlpError } from "../trace/otlp-span.ts";
import { ProtobufWriter } from "../trace/protobuf.ts";
import { ProtobufError } from "../trace/protobuf-reader.ts";
import type { Span } from "../trace/span.ts";
import { decodeZipkinSlices } from "../trace/zipkin-json.ts";
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

/** `POST /api/v2/spans`: answers when the spans are stored. */
export async function addZipkinSpans(request: Request, parts: IngestParts): Promise<Response> {
  const body = await receive(request, parts);
  const isProtobuf = /^application\/x-protobuf\b/i.test(request.headers.get("content-type") ?? "");
  const decode = isProtobuf ? decodeZipkinProtobuf : decodeZipkinSlices;
  const groups = await dropping(parts, () => runSliced(decode(body)));
  for (const spans of groups) await keep(spans, parts);
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
    const decode = isJson ? decodeOtlpJson : decodeOtlpProtobuf;
    const batches = await dropping(parts, () => runSliced(decode(body)));
    for (const { spans } of batches) await keep(spans, parts);
    const rejected = batches.reduce((sum, batch) => sum + batch.rejected, 0);
    parts.metrics.spansDropped += rejected;
    if (rejected > 0) parts.live.recordDropped(rejected);
    return new Response(formatOtlpAnswer(batches, rejected, isJson), { headers: { "Content-Type": type } });
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

/** Work in slices, so that queries come in between; all of it before any span is stored, as one bad span refuses a batch. */
async function runSliced<T>(slices: Iterable<T>): Promise<T[]> {
  const pause = new Pause();
  const done: T[] = [];
  for (const slice of slices) {
    done.push(slice);
    await pause.turn();
  }
  return done;
}

async function keep(
  spans: readonly Span[],
  { store, live, metrics, proof, sampleRate }: IngestParts,
): Promise<void> {
  metrics.spans += spans.length;
  const sampled = sampleSpans(spans, sampleRate);
  metrics.spansDropped += spans.length - sampled.length;
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

/** `INVALID_ARGUMENT` of https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
const INVALID_ARGUMENT = 3;

function formatStatus(message: string, isJson: boolean): Bun.BodyInit {
  if (isJson) return JSON.stringify({ code: INVALID_ARGUMENT, message });
  return new ProtobufWriter().varint(1, INVALID_ARGUMENT).text(2, message).finish();
}
