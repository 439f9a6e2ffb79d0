import { SpanStore } from "../../src/collector/span-store.ts";
import { describeTraceStore } from "./store-contract.ts";

/** Average size allowed for a span; larger spans count for more. */
const BYTES_PER_SPAN = 2048;

describeTraceStore(
  "SpanStore",
  (maxSpans) => new SpanStore({ maxSpans, maxBytes: maxSpans * BYTES_PER_SPAN }),
);
