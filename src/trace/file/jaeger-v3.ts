// https://www.jaegertracing.io/docs/latest/architecture/apis/#query-json-over-http
import type { TraceFormat } from "./trace-format.ts";

/** What `/api/v3/traces` of Jaeger answers with: OTLP inside of `result`, and several of these for several traces. */
export const JAEGER_V3: TraceFormat = {
  name: "Jaeger API v3 JSON",
  matches: (object) => object.has("result"),
  read({ fields }, _spans, walk) {
    const result = fields.get("result");
    if (result !== undefined) walk(result);
  },
};
