import { type AllowedOrigins, DEFAULT_ORIGINS } from "../../collector/access.ts";
import { isLoopback } from "../../collector/origin.ts";
import { parseSize } from "../../lib/size.ts";
import { durationFlag, type Flag, integerFlag, textFlag, Unfit } from "../shell/flags.ts";
import type { Output } from "../shell/output.ts";

/** What the store of `collector` and of `up` keeps, and where. */
export const STORE_FLAGS = {
  data: textFlag(null, {
    summary: "Keep spans in this file, which survives the end of the process; without it, in memory.",
    placeholder: "FILE",
    completes: "file",
  }),
  "max-spans": integerFlag(
    1_000_000,
    { min: 1, max: 1e9 },
    {
      summary: "Spans kept at most; the oldest traces make room.",
      env: ["CHAIN_LINK_MAX_SPANS", "MEM_MAX_SPANS"],
    },
  ),
  "max-bytes": sizeFlag({
    summary: "Bytes of spans kept at most.",
    fallbackText: "256MiB, 4GiB with --data",
  }),
  retention: durationFlag(null, { summary: "Let go of traces that started longer ago." }),
} as const;

/** Pages that may use the collector of `collector` and of `up`. The second variable is Zipkin's. */
export const CORS_FLAG: Flag<AllowedOrigins> = {
  summary: "Origins whose web pages may read and send traces, separated by commas; * for all.",
  placeholder: "ORIGINS",
  env: ["CHAIN_LINK_CORS", "ZIPKIN_QUERY_ALLOWED_ORIGINS"],
  fallback: DEFAULT_ORIGINS,
  fallbackText: "none but its own",
  parse: (texts) => {
    const origins = (texts.at(-1) ?? "").split(",").map((text) => text.trim());
    if (origins.includes("*")) return "*";
    const areFit = origins.every((text) => /^https?:\/\/[^/?#\s*@\\]+$/i.test(text) && URL.canParse(text));
    // As browsers spell them: without a port that is the default one.
    return areFit
      ? origins.map((text) => new URL(text).origin)
      : new Unfit("* or origins such as http://localhost:3000,https://ui.example.com");
  },
};

/** Says what other machines may do with a server that does not listen on loopback alone. */
export function tellExposure(host: string, what: string, output: Output): void {
  if (isLoopback(host)) return;
  output.info(
    `${host} is open to other machines: anyone who can reach this one can ${what}, without a password`,
  );
}

/** The options of a store that the flags stand for. */
export function storeOptions(flags: {
  readonly data: string | null;
  readonly "max-spans": number;
  readonly "max-bytes": number | null;
  readonly retention: number | null;
}) {
  return {
    file: flags.data,
    maxSpans: flags["max-spans"],
    maxBytes: flags["max-bytes"] ?? undefined,
    retentionMs: flags.retention ?? undefined,
  };
}

function sizeFlag(common: { readonly summary: string; readonly fallbackText: string }): Flag<number | null> {
  const parse = (texts: readonly string[]) => {
    const bytes = parseSize(texts.at(-1) ?? "");
    return bytes === undefined || bytes < 1 ? new Unfit("a size such as 64MiB or 2GB") : bytes;
  };
  return { placeholder: "SIZE", ...common, fallback: null, parse };
}
