import { SpanStore } from "../../src/collector/span-store.ts";
import { describeTraceStore } from "./store-contract.ts";

/** What a span may take on average, so that large ones count for more. */
const BYTES_PER_SPAN = 2048;

describeTraceStore(
  "SpanStore",
  (maxSpans) => new SpanStore({ maxSpans, maxBytes: maxSpans * BYTES_PER_SPAN }),
);
