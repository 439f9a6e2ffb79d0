// https://www.jaegertracing.io/docs/latest/architecture/apis/#query-json-over-http
import type { TraceFormat } from "./trace-format.ts";

/** The answer of Jaeger's `/api/v3/traces`: OTLP inside `result`, one such object per trace. */
export const JAEGER_V3: TraceFormat = {
  name: "Jaeger API v3 JSON",
  matches: (object) => object.has("result"),
  read({ fields }, _spans, walk) {
    const result = fields.get("result");
    if (result !== undefined) walk(result);
  },
};
