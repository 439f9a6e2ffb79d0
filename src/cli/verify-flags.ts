import { UserError } from "../lib/errors.ts";
import {
  durationFlag,
  type Flag,
  type FlagValues,
  integerFlag,
  nameUrlFlag,
  parseHttpUrl,
  percentageFlag,
  switchFlag,
  textFlag,
  Unfit,
} from "./flags.ts";
import { outputFlag } from "./global-flags.ts";
import { TARGET_FLAGS } from "./load-target.ts";
import { PACE_FLAGS } from "./pace-flags.ts";
import type { Setting } from "./settings.ts";

const BACKENDS = ["zipkin", "jaeger", "tempo", "collector"] as const;

export interface Backend {
  readonly kind: (typeof BACKENDS)[number];
  readonly url: string;
}

function backendFlag(summary: string): Flag<Backend | null> {
  const unfit = new Unfit(`one of ${BACKENDS.join(", ")} and its URL, such as zipkin=http://localhost:9411`);
  return {
    summary,
    placeholder: "KIND=URL",
    fallback: null,
    fallbackText: "the collector that was started, or zipkin=http://localhost:9411",
    parse: (texts) => {
      const [, name, rest = ""] = /^([a-z]+)=(.*)$/.exec(texts.at(-1) ?? "") ?? [];
      const kind = BACKENDS.find((it) => it === name);
      const url = parseHttpUrl(rest);
      return kind === undefined || url instanceof Unfit ? unfit : { kind, url };
    },
  };
}

export const VERIFY_FLAGS = {
  run: textFlag(null, {
    summary: "Send nothing: judge an earlier run by its ledger, a file or the URL of 'load --serve'.",
    placeholder: "FILE|URL",
    completes: "file",
    env: [],
  }),
  propagation: switchFlag({
    summary: "Send each form of trace context instead, and say which of them every edge keeps.",
  }),
  backend: backendFlag("Where the spans are looked for."),
  graph: textFlag(null, {
    summary: "The topology document of what runs behind a URL; without it, it is learned from whole traces.",
    placeholder: "TOPOLOGY",
    completes: "file",
  }),
  links: nameUrlFlag({
    summary: "Links whose counters are asked where spans were lost; may be repeated.",
  }),
  ...PACE_FLAGS,
  duration: durationFlag(null, { summary: "Send for so long.", fallbackText: "10s" }),
  requests: integerFlag(
    null,
    { min: 1, max: 1e9 },
    { summary: "Send so many requests; with --propagation so many of each form, there 1 by default." },
  ),
  timeout: durationFlag(60_000, { summary: "Limit of a request.", fallbackText: "1m" }),
  sample: percentageFlag(1, { summary: "The share of requests that ask to be recorded." }),
  "max-wait": durationFlag(60_000, {
    summary: "What has not arrived so long after the last request is missing.",
    fallbackText: "1m",
  }),
  "query-rate": integerFlag(
    20,
    { min: 1, max: 10_000 },
    { summary: "Most queries to the backend in a second." },
  ),
  "allow-loss": percentageFlag(0, { summary: "The share of spans, or of traces, that may be wrong." }),
  ...TARGET_FLAGS,
  junit: textFlag(null, {
    summary: "Write the result as a JUnit file.",
    placeholder: "FILE",
    completes: "file",
  }),
  report: textFlag(null, {
    summary: "Write the result as one HTML page.",
    placeholder: "FILE",
    completes: "file",
  }),
  output: outputFlag(["table", "json"], "table", "How to print the result."),
} as const;

export type VerifyValues = FlagValues<typeof VERIFY_FLAGS>;

/**
 * Flags that do not go together.
 * @throws {UserError} `usage`
 */
export function checkFlags(
  flags: VerifyValues,
  operands: readonly string[],
  settings: readonly Setting[],
): void {
  if (flags.run !== null && operands.length > 0) {
    throw new UserError("usage", "--run judges an earlier run, but something to send to was named, too");
  }
  if (!flags.propagation) return;
  const unfit = settings.find(({ name, origin }) => PROOF_FLAGS.includes(name) && origin === `--${name}`);
  if (unfit !== undefined) {
    throw new UserError("usage", `${unfit.origin} is for the proof of spans, but --propagation was given`);
  }
}

/** What says nothing about forms of context. */
const PROOF_FLAGS = [
  "run",
  "graph",
  "links",
  "sleep-time",
  "rate",
  "duration",
  "sample",
  "allow-loss",
  "junit",
  "report",
];
