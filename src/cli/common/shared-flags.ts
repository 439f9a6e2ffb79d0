import type { OtlpProtocol } from "../../link/export.ts";
import { TAG_SETS } from "../../link/tags.ts";
import { choiceFlag, type PlatformReading, textFlag } from "../shell/flags.ts";

const PROTOCOLS = ["http/protobuf", "http/json"] as const;

function readProtocol(text: string): PlatformReading<OtlpProtocol> {
  const value = PROTOCOLS.find((it) => it === text.toLowerCase());
  if (value !== undefined) return { value, problem: null };
  const problem = `expected ${PROTOCOLS.join(" or ")}, found ${JSON.stringify(text)}; using http/protobuf, which the receiver must take over HTTP`;
  return { value: "http/protobuf", problem };
}

/** Flags of a link that `up` has for all of its links. */
export const LINK_FLAGS = {
  "otlp-protocol": choiceFlag("http/protobuf", PROTOCOLS, {
    summary: "The form of OTLP.",
    env: ["CHAIN_LINK_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"],
    platforms: {
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: readProtocol,
      OTEL_EXPORTER_OTLP_PROTOCOL: readProtocol,
    },
  }),
  tags: choiceFlag("default", TAG_SETS, { summary: "How many tags a span carries." }),
  seed: textFlag(null, {
    summary: "Draw the same latencies, errors and choices in each run with this seed.",
  }),
} as const;
