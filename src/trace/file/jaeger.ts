// https://github.com/jaegertracing/jaeger/blob/main/internal/uimodel/model.go
import { isRecord } from "../../lib/record.ts";
import { type Attributes, newSpan, type OtlpSpan, type Value } from "../otlp-span.ts";
import { findProblem, type Surroundings, surroundResource, toZipkin } from "../otlp-to-zipkin.ts";
import type { SpanCollection } from "./span-collection.ts";
import type { TraceFormat } from "./trace-format.ts";

type Json = Readonly<Record<string, unknown>>;

/**
 * Downloads from Jaeger's page and answers of `/api/traces`: traces in `data`, one such trace, or one span with its process.
 * Spans are converted by way of OTLP, as in Jaeger 2, so that tags have the same meaning as there.
 */
export const JAEGER: TraceFormat = {
  name: "Jaeger JSON",
  matches: (object) =>
    object.has("data") ||
    object.has("spans", "processes") ||
    object.has("traceID", "spans") ||
    object.has("traceID", "spanID"),
  read(object, spans, walk) {
    const data = object.fields.get("data");
    if (data !== undefined) walk(data);
    else if (object.has("spans")) addTrace(object.value, spans);
    else addSpan(object.value, readProcess(object.value.process), spans);
  },
};

function addTrace({ spans, processes }: Json, collection: SpanCollection): void {
  const known = isRecord(processes) ? new Map(Object.entries(processes)) : new Map<string, unknown>();
  const read = new Map(Array.from(known, ([id, process]) => [id, readProcess(process)] as const));
  for (const span of listOf(spans))
    addSpan(span, read.get(textOf(span.processID)) ?? readProcess(span.process), collection);
}

function addSpan(json: Json, process: Surroundings, collection: SpanCollection): void {
  const span = readSpan(json);
  const problem = typeof span === "string" ? span : findProblem(span);
  if (typeof span === "string" || problem !== undefined) collection.reject(problem ?? "");
  else collection.add({ ...toZipkin(span, process), ...(isDebug(json) && { debug: true }) });
}

/** Bit 1 of the flags that Jaeger's clients set. */
function isDebug({ flags }: Json): boolean {
  return typeof flags === "number" && (flags & 2) !== 0;
}

/** Returns what is wrong instead, if a time is malformed. */
function readSpan(json: Json): OtlpSpan | string {
  const [start, duration] = [readNanos(json.startTime), readNanos(json.duration)];
  if (start === undefined) return "startTime is not a whole number";
  if (duration === undefined) return "duration is not a whole number";
  const attributes = readTags(json.tags);
  const kind = KINDS.indexOf(String(attributes.get("span.kind")));
  if (kind > 0) attributes.delete("span.kind");
  const warnings = Array.isArray(json.warnings) ? json.warnings.map(String) : [];
  if (warnings.length > 0) attributes.set("jaeger.warnings", warnings.join("; "));
  return {
    ...newSpan(),
    traceId: readId(json.traceID, 32),
    spanId: readId(json.spanID, 16),
    parentSpanId: readParent(json),
    name: textOf(json.operationName),
    kind: Math.max(0, kind),
    start,
    end: start + duration,
    attributes,
    events: listOf(json.logs).map(({ timestamp, fields }) => readLog(timestamp, fields)),
  };
}

/** In the order of OTLP's numbers. */
const KINDS = ["", "internal", "server", "client", "producer", "consumer"];

/** The `CHILD_OF` reference, or else `FOLLOWS_FROM`, as on Jaeger's page. Old files have a field for it. */
function readParent(json: Json): string {
  const own = listOf(json.references).filter(
    ({ traceID }) => readId(traceID, 32) === readId(json.traceID, 32),
  );
  const parent =
    own.find(({ refType }) => refType === "CHILD_OF") ??
    own.find(({ refType }) => refType === "FOLLOWS_FROM");
  return readId(parent?.spanID ?? json.parentSpanID, 16);
}

/** Restores the leading zeros, which Jaeger omits. */
function readId(value: unknown, digits: number): string {
  const text = textOf(value).toLowerCase();
  return text === "" ? "" : text.padStart(digits, "0");
}

function readLog(timestamp: unknown, fields: unknown) {
  const attributes = readTags(fields);
  const key = attributes.has("event") ? "event" : "message";
  const name = String(attributes.get(key) ?? "log");
  attributes.delete(key);
  return { time: readNanos(timestamp) ?? 0n, name, attributes };
}

function readProcess(value: unknown): Surroundings {
  const process = isRecord(value) ? value : {};
  const resource = readTags(process.tags);
  resource.set("service.name", textOf(process.serviceName));
  return surroundResource(resource);
}

/** A tag has the type of its JSON value, except for bytes, which stay base64. */
function readTags(value: unknown): Attributes {
  return new Map(listOf(value).map((tag) => [textOf(tag.key), (tag.value ?? "") as Value]));
}

/** Converts microseconds. */
function readNanos(value: unknown): bigint | undefined {
  const micros = value === undefined || value === null ? 0 : Number(value);
  return Number.isFinite(micros) ? BigInt(Math.trunc(micros)) * 1000n : undefined;
}

function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
