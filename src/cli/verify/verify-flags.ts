import { isNamespaceName } from "../../kubernetes/names.ts";
import { ZIPKIN_URL } from "../../lib/default-address.ts";
import { DEFAULT_EXAMPLES } from "../../verify/judge/tally.ts";
import type { Allowance } from "../../verify/result/result.ts";
import { CLUSTER_FLAGS, RELEASE_NAME } from "../common/cluster-flags.ts";
import { expectFlag } from "../common/expect-flag.ts";
import { expectKeptFlag } from "../common/expect-kept-flag.ts";
import { TARGET_FLAGS } from "../common/load-target.ts";
import { PACE_FLAGS } from "../common/pace-flags.ts";
import { RELEASE_FLAGS } from "../common/release-flags.ts";
import {
  checkedFlag,
  choiceFlag,
  durationFlag,
  type FlagValues,
  integerFlag,
  type KindOfServer,
  kindUrlFlag,
  listenFlag,
  nameUrlFlag,
  parseUrl,
  percentageFlag,
  switchFlag,
  textFlag,
  Unfit,
  urlFlag,
  urlListFlag,
} from "../shell/flags.ts";
import { outputFlag } from "../shell/global-flags.ts";

/** Placeholder for the trace ID in a page's URL. */
export const PAGE_ID = "{traceId}";

const BACKENDS = ["zipkin", "jaeger", "tempo", "collector"] as const;

export type Backend = KindOfServer<(typeof BACKENDS)[number]>;

function isPageUrl(text: string): boolean {
  const url = parseUrl(text);
  // The URL is printed, and so would be a user and a password.
  return text.includes(PAGE_ID) && !(url instanceof Unfit) && Object.keys(url.headers).length === 0;
}

export const VERIFY_FLAGS = {
  run: textFlag(null, {
    summary: "Judge an earlier run: ledger file, 'load --serve' URL, or ID with --release.",
    placeholder: "FILE|URL|ID",
    completes: "file",
    env: [],
  }),
  since: durationFlag(null, {
    summary: "With --run: judge only requests that ended within this long before now.",
    fallbackText: "all",
    env: [],
  }),
  release: checkedFlag(null, isNamespaceName, RELEASE_NAME, {
    summary: "Release to verify: a Pod in its cluster sends the requests.",
    placeholder: "NAME",
    env: [],
  }),
  namespace: RELEASE_FLAGS.namespace,
  kubeconfig: CLUSTER_FLAGS.kubeconfig,
  context: CLUSTER_FLAGS.context,
  "request-timeout": CLUSTER_FLAGS["request-timeout"],
  propagation: switchFlag({
    summary: "Send each propagation format instead, and report which ones every edge keeps.",
    // In the pods of links, CHAIN_LINK_PROPAGATION is a list of formats.
    env: [],
  }),
  forever: switchFlag({
    summary: "Run as a canary: send and judge until interrupted.",
  }),
  serve: listenFlag({ summary: "With --forever: serve /metrics for Prometheus, /health and /readiness." }),
  backend: kindUrlFlag(BACKENDS, {
    summary: "Backend to read spans from.",
    fallbackText: `the collector that was started, or zipkin=${ZIPKIN_URL}`,
  }),
  "backend-page": checkedFlag(null, isPageUrl, "a URL that contains {traceId}, without user and password", {
    summary: "URL of a trace's page, for example in Grafana, with {traceId} for its ID.",
    placeholder: "URL",
    fallbackText: "the page of Zipkin, Jaeger or the collector",
  }),
  graph: textFlag(null, {
    summary: "Topology document of what runs behind a URL; otherwise learned from traces.",
    placeholder: "TOPOLOGY",
    completes: "file",
  }),
  links: nameUrlFlag({
    summary: "Links whose counters tell where spans were lost; may be repeated.",
  }),
  "links-at": urlFlag({
    summary: "With --forever: treat every address of the URL's host as one of --links.",
  }),
  ...PACE_FLAGS,
  duration: durationFlag(null, { summary: "How long to send requests.", fallbackText: "10s" }),
  requests: integerFlag(
    null,
    { min: 1, max: 1e9 },
    { summary: "Number of requests to send; with --propagation, in each form (default 1)." },
  ),
  timeout: durationFlag(60_000, { summary: "Timeout of a request.", fallbackText: "1m" }),
  sample: percentageFlag(1, { summary: "Share of requests to sample." }),
  "max-wait": durationFlag(60_000, {
    summary: "How long to wait for spans after the last request; later ones are missing.",
    fallbackText: "1m",
  }),
  "query-rate": integerFlag(
    20,
    { min: 1, max: 10_000 },
    { summary: "Maximum number of queries to the backend per second." },
  ),
  "allow-loss": percentageFlag(0, {
    summary: "Share of spans that may be missing, and of traces that may be incomplete.",
  }),
  "allow-unknown": percentageFlag(0, { summary: "Share of traces whose state may be unknown." }),
  expect: expectFlag({
    summary: "Spans the platform must record: 'envoy: 1 span on every edge'; may be repeated.",
    env: [],
  }),
  "sampled-out": choiceFlag("missing", ["missing", "ok"], {
    summary: "What traces are of which nothing arrived: missing, or ok behind a sampling pipeline.",
  }),
  "expect-kept": expectKeptFlag({
    summary:
      "With --sampled-out ok: share that sampling must keep, such as '100% of errors'; may be repeated.",
    env: [],
  }),
  "collector-metrics": urlListFlag({
    summary: "Metrics of an OpenTelemetry Collector before the backend; may be repeated, in pipeline order.",
  }),
  examples: integerFlag(
    DEFAULT_EXAMPLES,
    { min: 1, max: 100_000 },
    { summary: "Maximum number of bad traces to list." },
  ),
  ...TARGET_FLAGS,
  junit: textFlag(null, {
    summary: "Write the result to this file as JUnit XML.",
    placeholder: "FILE",
    completes: "file",
  }),
  report: textFlag(null, {
    summary: "Write the result to this file as an HTML page.",
    placeholder: "FILE",
    completes: "file",
  }),
  output: outputFlag(["table", "json"], "table", "Output format of the result."),
} as const;

export type VerifyValues = FlagValues<typeof VERIFY_FLAGS>;

export function allowanceOf(flags: VerifyValues): Allowance {
  return { loss: flags["allow-loss"], unknown: flags["allow-unknown"] };
}
