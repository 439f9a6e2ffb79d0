import { type AllowedOrigins, DEFAULT_ORIGINS } from "../../collector/access.ts";
import { isLoopback } from "../../collector/origin.ts";
import { parseSize } from "../../lib/size.ts";
import { durationFlag, type Flag, type FlagValues, integerFlag, textFlag, Unfit } from "../shell/flags.ts";
import type { Output } from "../shell/output.ts";

/** Storage of `collector` and of `up`. */
export const STORE_FLAGS = {
  data: textFlag(null, {
    summary: "File to store spans in across restarts; without it, spans stay in memory.",
    placeholder: "FILE",
    completes: "file",
  }),
  "max-spans": integerFlag(
    1_000_000,
    { min: 1, max: 1e9 },
    {
      summary: "Maximum number of spans stored; the oldest traces are evicted.",
      env: ["CHAIN_LINK_MAX_SPANS", "MEM_MAX_SPANS"],
    },
  ),
  "max-bytes": sizeFlag({
    summary: "Maximum size of the stored spans; the oldest traces are evicted.",
    fallbackText: "256MiB, 4GiB with --data",
  }),
  retention: durationFlag(null, { summary: "Drop traces that started longer ago than this." }),
} as const;

/** Web origins that may use the collector of `collector` and of `up`. The second variable is Zipkin's. */
export const CORS_FLAG: Flag<AllowedOrigins> = {
  summary: "Origins of web pages that may read and send traces, comma-separated; * for all.",
  placeholder: "ORIGINS",
  env: ["CHAIN_LINK_CORS", "ZIPKIN_QUERY_ALLOWED_ORIGINS"],
  fallback: DEFAULT_ORIGINS,
  fallbackText: "none but its own",
  parse: (texts) => {
    const origins = (texts.at(-1) ?? "").split(",").map((text) => text.trim());
    if (origins.includes("*")) return "*";
    const areFit = origins.every((text) => /^https?:\/\/[^/?#\s*@\\]+$/i.test(text) && URL.canParse(text));
    // Browsers leave out a scheme's default port.
    return areFit
      ? origins.map((text) => new URL(text).origin)
      : new Unfit("* or origins such as http://localhost:3000,https://ui.example.com");
  },
};

/** Tells the user what other machines can do with a server that does not only listen on loopback. */
export function tellExposure(host: string, what: string, output: Output): void {
  if (isLoopback(host)) return;
  output.info(
    `${host} accepts connections from other machines: anyone who can reach this one can ${what}, without a password`,
  );
}

/** The store options that the flags describe. */
export function storeOptions(flags: FlagValues<typeof STORE_FLAGS>) {
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
