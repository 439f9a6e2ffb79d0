// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto

import { isRecord, ownValue } from "../../lib/record.ts";
import { readCaptured } from "../../trace/capture.ts";
import { BROKEN_CONTEXT_TAG } from "../../trace/context.ts";
import type { SpanKind } from "../../trace/span.ts";
import { findRecorder } from "../judge/recorder.ts";
import { parentOf, type SeenSpan } from "../judge/seen-span.ts";

const KINDS: Readonly<Record<string, SpanKind>> = {
  2: "SERVER",
  3: "CLIENT",
  4: "PRODUCER",
  5: "CONSUMER",
  SPAN_KIND_SERVER: "SERVER",
  SPAN_KIND_CLIENT: "CLIENT",
  SPAN_KIND_PRODUCER: "PRODUCER",
  SPAN_KIND_CONSUMER: "CONSUMER",
};

/**
 * Decodes OTLP JSON as backends return it: `{"resourceSpans": […]}` (`batches` in older versions), with ids
 * in hex or base64, kinds as numbers or names, and times as strings or numbers.
 * @throws {TypeError} for anything else
 */
export function decodeOtlpTraces(content: unknown): { readonly traceId: string; readonly span: SeenSpan }[] {
  if (!isRecord(content)) throw new TypeError("expected an object with resourceSpans");
  return listOf(content.resourceSpans ?? content.batches ?? []).flatMap((group) => {
    const attributes = attributesOf(isRecord(group.resource) ? group.resource.attributes : undefined);
    const serviceName = attributes.get("service.name")?.toLowerCase() ?? "";
    const scopes = listOf(group.scopeSpans ?? group.instrumentationLibrarySpans ?? []);
    return scopes.flatMap((scope) =>
      listOf(scope.spans ?? []).map((span) => decodeSpan(span, serviceName, scopeNameOf(scope))),
    );
  });
}

function scopeNameOf(scopeSpans: Record<string, unknown>): string | undefined {
  const scope = scopeSpans.scope ?? scopeSpans.instrumentationLibrary;
  return isRecord(scope) && typeof scope.name === "string" && scope.name !== "" ? scope.name : undefined;
}

function decodeSpan(span: Record<string, unknown>, serviceName: string, scope: string | undefined) {
  const attributes = attributesOf(span.attributes);
  const recorder = findRecorder((key) => attributes.get(key), scope);
  const traceId = decodeId(span.traceId, 16) ?? "";
  const parentId = parentOf(traceId, decodeId(span.parentSpanId, 8), recorder);
  const startUs = decodeMicros(span.startTimeUnixNano);
  const status = attributes.get("http.response.status_code") ?? attributes.get("http.status_code");
  const attempt = attributes.get("http.request.resend_count");
  return {
    traceId,
    span: {
      id: decodeId(span.spanId, 8) ?? "",
      parentId,
      kind: ownValue(KINDS, String(span.kind)),
      serviceName,
      remote: remoteOf(attributes),
      status: status === undefined ? null : Number(status),
      attempt: attempt === undefined ? (attributes.has("http.request.method") ? 0 : null) : Number(attempt),
      failure: status === undefined ? (attributes.get("error") ?? attributes.get("error.type")) : undefined,
      ...(attributes.get(BROKEN_CONTEXT_TAG) === "broken" ? { isContextBroken: true } : {}),
      startUs,
      endUs: decodeMicros(span.endTimeUnixNano),
      recorder,
      captured: readCaptured((key) => attributes.get(key)),
    },
  };
}

/** OTLP has no remote endpoint. Links send the callee's name as an attribute instead. */
function remoteOf(attributes: ReadonlyMap<string, string>): string | null {
  return (attributes.get("peer.service") ?? attributes.get("server.address"))?.toLowerCase() ?? null;
}

function listOf(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value) || !value.every(isRecord)) throw new TypeError("expected a list of objects");
  return value;
}

function attributesOf(value: unknown): Map<string, string> {
  const attributes = new Map<string, string>();
  if (!Array.isArray(value)) return attributes;
  for (const attribute of value) {
    if (!isRecord(attribute) || !isRecord(attribute.value)) continue;
    const text = attribute.value.stringValue ?? attribute.value.intValue;
    if (text !== undefined) attributes.set(String(attribute.key), String(text));
  }
  return attributes;
}

const HEX = /^[0-9a-fA-F]+$/;

/** Returns an id in hex or base64 as hex; `null` if it is empty. */
function decodeId(value: unknown, bytes: number): string | null {
  if (typeof value !== "string" || value === "") return null;
  const isHex = value.length === 2 * bytes && HEX.test(value);
  const hex = isHex ? value.toLowerCase() : Buffer.from(value, "base64").toString("hex");
  return /^0*$/.test(hex) ? null : hex.padStart(2 * bytes, "0");
}

function decodeMicros(value: unknown): number {
  if (typeof value !== "string" && typeof value !== "number") return 0;
  const text = String(value);
  return /^\d+$/.test(text) ? Number(BigInt(text) / 1000n) : 0;
}
