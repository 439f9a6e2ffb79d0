import { parseSize } from "../lib/size.ts";
import { durationFlag, type Flag, integerFlag, textFlag, Unfit } from "./flags.ts";

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
