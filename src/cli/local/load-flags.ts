import { ARRIVALS } from "../../load/schedule.ts";
import { TARGET_FLAGS } from "../common/load-target.ts";
import { PACE_FLAGS } from "../common/pace-flags.ts";
import {
  checkedFlag,
  choiceFlag,
  durationFlag,
  type FlagValues,
  headerFlag,
  integerFlag,
  listenFlag,
  percentageFlag,
  switchFlag,
  textFlag,
} from "../shell/flags.ts";
import { outputFlag } from "../shell/global-flags.ts";

const MAX_CONNECTIONS = 16_384;

export const LOAD_FLAGS = {
  ...PACE_FLAGS,
  arrivals: choiceFlag("constant", ARRIVALS, {
    summary: "Send requests at even intervals, or at random times with the same mean rate.",
  }),
  connections: integerFlag(
    null,
    { min: 1, max: MAX_CONNECTIONS },
    {
      summary: "With a rate: maximum requests in flight. Without: number of requests kept in flight.",
      short: "c",
      fallbackText: "1024 with a rate",
    },
  ),
  duration: durationFlag(null, {
    summary: "Stop after this long; a ramp stops when it reaches its final rate.",
  }),
  requests: integerFlag(null, { min: 1, max: 1e9 }, { summary: "Stop after this many requests." }),
  "warm-up": durationFlag(0, {
    summary: "How long to send requests before counting starts.",
    fallbackText: "none",
  }),
  "wait-for-target": durationFlag(0, {
    summary: "Wait up to this long for the target to answer without 502, 503 or 504.",
    fallbackText: "do not wait",
  }),
  timeout: durationFlag(60_000, { summary: "Timeout of a request.", fallbackText: "1m" }),
  header: headerFlag({ summary: "Header of every request; may be repeated.", short: "H", env: [] }),
  method: textFlag("GET", { summary: "HTTP method.", placeholder: "METHOD" }),
  body: textFlag(null, { summary: "Body of every request." }),
  insecure: switchFlag({ summary: "Do not verify TLS certificates." }),
  sample: percentageFlag(1, { summary: "Share of requests to sample." }),
  run: checkedFlag(null, (text) => /^(?!0{16})[0-9a-f]{16}$/.test(text), "16 hex digits in lower case", {
    summary: "Run ID; all trace IDs of the run start with it.",
    placeholder: "ID",
    fallbackText: "a new one",
    env: [],
  }),
  ledger: textFlag(null, {
    summary: "Write the run's ledger for verify to this file (32 bytes per request).",
    placeholder: "FILE",
    completes: "file",
    // In the pods of links, CHAIN_LINK_LEDGER is a switch.
    env: [],
  }),
  hdr: textFlag(null, {
    summary: "Write latencies to this file as HdrHistogram percentiles (.hgrm).",
    placeholder: "FILE",
    completes: "file",
  }),
  serve: listenFlag({
    summary: "Serve /ledger (the last million records), /metrics and /health during the run.",
  }),
  linger: durationFlag(0, {
    summary: "Keep serving for this long after the run ends.",
    fallbackText: "none",
  }),
  ...TARGET_FLAGS,
  seed: textFlag(null, {
    summary: "Seed for random arrivals, sampling and link behavior; same seed, same draws.",
  }),
  output: outputFlag(["table", "json"], "table", "Output format of the results."),
} as const;

export type LoadValues = FlagValues<typeof LOAD_FLAGS>;
