// https://grafana.com/docs/tempo/latest/api_docs/#query
import { addRequest } from "./otlp.ts";
import type { TraceFormat } from "./trace-format.ts";

/** The answer of Tempo's API, and Grafana's download: OTLP with another name for its list, or inside `trace`. */
export const TEMPO: TraceFormat = {
  name: "Tempo JSON",
  matches: (object) => object.has("batches") || object.has("trace"),
  read({ bytes, fields }, spans, walk) {
    const [batches, trace] = [fields.get("batches"), fields.get("trace")];
    if (batches !== undefined) addRequest(bytes, batches, '{"resourceSpans":', "}", spans);
    if (trace !== undefined) walk(trace);
  },
};
