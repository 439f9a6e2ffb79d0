import type { OtlpProtocol } from "../../link/export.ts";
import { TAG_SETS } from "../../link/tags.ts";
import { choiceFlag, type PlatformReading, textFlag } from "../shell/flags.ts";

const PROTOCOLS = ["http/protobuf", "http/json"] as const;

function readProtocol(text: string): PlatformReading<OtlpProtocol> {
  const value = PROTOCOLS.find((it) => it === text.toLowerCase());
  if (value !== undefined) return { value, problem: null };
  const problem = `expected ${PROTOCOLS.join(" or ")}, found ${JSON.stringify(text)}; using http/protobuf, which the receiver must accept over HTTP`;
  return { value: "http/protobuf", problem };
}

/** Flags that `link` has for itself, and other commands for all links that they start. */
export const LINK_FLAGS = {
  "otlp-protocol": choiceFlag("http/protobuf", PROTOCOLS, {
    summary: "OTLP encoding.",
    env: ["CHAIN_LINK_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"],
    platforms: {
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: readProtocol,
      OTEL_EXPORTER_OTLP_PROTOCOL: readProtocol,
    },
  }),
  tags: choiceFlag("default", TAG_SETS, { summary: "Which tags spans have." }),
  seed: textFlag(null, {
    summary: "Seed for random latencies, errors and choices; same seed, same draws.",
  }),
} as const;
