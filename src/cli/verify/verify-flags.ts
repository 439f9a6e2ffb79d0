import { isNamespaceName } from "../../kubernetes/names.ts";
import { DEFAULT_EXAMPLES } from "../../verify/judge/tally.ts";
import type { Allowance } from "../../verify/result/result.ts";
import { CLUSTER_FLAGS, RELEASE_NAME } from "../common/cluster-flags.ts";
import { expectFlag } from "../common/expect-flag.ts";
import { TARGET_FLAGS } from "../common/load-target.ts";
import { PACE_FLAGS } from "../common/pace-flags.ts";
import { RELEASE_FLAGS } from "../common/release-flags.ts";
import {
  checkedFlag,
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
} from "../shell/flags.ts";
import { outputFlag } from "../shell/global-flags.ts";

/** Stands in the URL of a page for the id of a trace. */
export const PAGE_ID = "{traceId}";

const BACKENDS = ["zipkin", "jaeger", "tempo", "collector"] as const;

export type Backend = KindOfServer<(typeof BACKENDS)[number]>;

function isPageUrl(text: string): boolean {
  const url = parseUrl(text);
  // It is for people, and printed: a user and a password would be, too.
  return text.includes(PAGE_ID) && !(url instanceof Unfit) && Object.keys(url.headers).length === 0;
}

export const VERIFY_FLAGS = {
  run: textFlag(null, {
    summary:
      "Send nothing: judge a run by its ledger, a file or the URL of 'load --serve'; with --release its id or its Pod.",
    placeholder: "FILE|URL|ID",
    completes: "file",
    env: [],
  }),
  since: durationFlag(null, {
    summary: "With --run: only requests that ended in so long a time before now.",
    fallbackText: "all",
    env: [],
  }),
  release: checkedFlag(null, isNamespaceName, RELEASE_NAME, {
    summary: "A release in a cluster: a Pod there sends, everything is asked through the API server.",
    placeholder: "NAME",
    env: [],
  }),
  namespace: RELEASE_FLAGS.namespace,
  kubeconfig: CLUSTER_FLAGS.kubeconfig,
  context: CLUSTER_FLAGS.context,
  "request-timeout": CLUSTER_FLAGS["request-timeout"],
  propagation: switchFlag({
    summary: "Send each form of trace context instead, and say which of them every edge keeps.",
    // A list of forms in the pods of links.
    env: [],
  }),
  forever: switchFlag({
    summary:
      "Send and judge until told to end, as a canary: a request a second unless --rate says otherwise.",
  }),
  serve: listenFlag({ summary: "With --forever: serve /metrics for Prometheus, /health and /readiness." }),
  backend: kindUrlFlag(BACKENDS, {
    summary: "Where the spans are looked for.",
    fallbackText: "the collector that was started, or zipkin=http://localhost:9411",
  }),
  "backend-page": checkedFlag(null, isPageUrl, "a URL with {traceId} in it, and without user and password", {
    summary: "A trace's page for people, with {traceId} for its id, such as one of Grafana.",
    placeholder: "URL",
    fallbackText: "the page of Zipkin, Jaeger or the collector",
  }),
  graph: textFlag(null, {
    summary: "The topology document of what runs behind a URL; without it, it is learned from whole traces.",
    placeholder: "TOPOLOGY",
    completes: "file",
  }),
  links: nameUrlFlag({
    summary: "Links whose counters are asked where spans were lost; may be repeated.",
  }),
  "links-at": urlFlag({
    summary: "With --forever: every address of the URL's host is a link whose counters are asked.",
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
  "allow-loss": percentageFlag(0, {
    summary: "Share of spans that may be missing, and of traces that may be wrong.",
  }),
  "allow-unknown": percentageFlag(0, { summary: "Share of traces that may be unknown." }),
  expect: expectFlag({
    summary: "Spans that the platform has to record, such as 'envoy: 1 span on every edge'; may be repeated.",
    env: [],
  }),
  examples: integerFlag(
    DEFAULT_EXAMPLES,
    { min: 1, max: 100_000 },
    { summary: "Maximum number of bad traces to list." },
  ),
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

export function allowanceOf(flags: VerifyValues): Allowance {
  return { loss: flags["allow-loss"], unknown: flags["allow-unknown"] };
}
