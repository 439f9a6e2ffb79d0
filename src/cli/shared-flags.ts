import { TAG_SETS } from "../link/tags.ts";
import { choiceFlag, textFlag } from "./flags.ts";

/** Flags of a link that `up` has for all of its links. */
export const LINK_FLAGS = {
  "otlp-protocol": choiceFlag("http/protobuf", ["http/protobuf", "http/json"], {
    summary: "The form of OTLP.",
    env: ["CHAIN_LINK_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"],
  }),
  tags: choiceFlag("default", TAG_SETS, { summary: "How many tags a span carries." }),
  seed: textFlag(null, {
    summary: "Draw the same latencies, errors and choices in each run with this seed.",
  }),
} as const;
