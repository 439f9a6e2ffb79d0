// https://github.com/openzipkin/zipkin-api/blob/master/zipkin-api.yaml
import { convertZipkinV1, isZipkinV1 } from "../zipkin-v1.ts";
import type { TraceFormat } from "./trace-format.ts";
import { addZipkinSpans } from "./zipkin-v2.ts";

/** Zipkin v1 JSON, as written by Zipkin before 2017, Brave 4 and Finagle. */
export const ZIPKIN_V1: TraceFormat = {
  name: "Zipkin v1 JSON",
  matches: (object) =>
    object.has("binaryAnnotations") || (object.has("traceId", "annotations") && isZipkinV1(object.value)),
  read: (object, spans) => addZipkinSpans(object, spans, (value) => convertZipkinV1(value, 0)),
};
