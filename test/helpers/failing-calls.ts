import { expect } from "bun:test";
import { parseTopology } from "../../src/topology/parse.ts";
import { addSpan, EMPTY_LEDGER, formatLedger, LEDGER_HEADER } from "../../src/trace/ledger.ts";
import type { Span } from "../../src/trace/span.ts";
import { startChain } from "./chain.ts";
import { readPrometheusText } from "./prometheus-text.ts";

/** A kind of failure, and how a link must report it. */
export interface FailureKind {
  readonly reason: string;
  readonly message: string;
  /** @default 502 */
  readonly status?: number;
}

/** How a service calls `BAD` and `BAD2`, which fail, and `ok`, which does not; and how many attempts fail. */
export const SHAPES = {
  single: { calls: "[BAD]", failed: 1 },
  "first in order": { calls: "[BAD, ok]", failed: 1 },
  "last in order": { calls: "[ok, BAD]", failed: 1 },
  "first of two at once": { calls: "[[BAD, ok]]", failed: 1 },
  "last of two at once": { calls: "[[ok, BAD]]", failed: 1 },
  "all at once": { calls: "[[BAD, BAD2, BAD]]", failed: 3 },
  "at once, then another": { calls: "[[BAD, ok], BAD2]", failed: 1 },
  "after one that is fine": { calls: "[[ok, ok], [ok, BAD], BAD2]", failed: 1 },
  "beside a sleep": { calls: "[[BAD, { sleep: 1ms }]]", failed: 1 },
  "with retries": { calls: "[BAD(retries: 2)]", failed: 3 },
  "with retries beside another": { calls: "[[BAD(retries: 2), ok], BAD2]", failed: 3 },
  "with backoff": { calls: "[BAD(retries: 1, backoff: 1ms), ok]", failed: 2 },
  "with a spent budget": {
    calls: "[BAD(retries: 2, retryBudget: { ratio: 0%, minPerSecond: 0 })]",
    failed: 1,
  },
  "with a probability": { calls: "[BAD(probability: 99.9%), ok]", failed: 1 },
  "with a body": { calls: "[BAD(request: 2KiB)]", failed: 1 },
  "with an answer of its own": { calls: "[BAD]", failed: 1, behavior: "response: 1KiB" },
  "after latency": { calls: "[BAD]", failed: 1, behavior: "latency: 1ms" },
  "below another link": { calls: "[middle]", failed: 1 },
} as const satisfies Record<string, { calls: string; failed: number; behavior?: string }>;

type Shape = (typeof SHAPES)[keyof typeof SHAPES];

const ALL_SHAPES: readonly (readonly [what: string, shape: Shape])[] = Object.entries(SHAPES);

/**
 * Renders a service for each shape; the link under test serves all of them. `timeout` applies to the calls that fail.
 */
export function renderFailingTopology(timeout = "3s"): string {
  const services = ALL_SHAPES.map(([, shape], index) => {
    const calls = shape.calls.replace(
      /BAD(2?)(?:\((.*?)\))?(?=[,\]])/g,
      (_, number, rest) =>
        `{ service: bad${number}, timeout: ${timeout}${rest === undefined ? "" : `, ${rest}`} }`,
    );
    const behavior = "behavior" in shape ? `, ${shape.behavior}` : "";
    return `  shape-${index}: { calls: ${calls}${behavior} }`;
  });
  return `apiVersion: chain-link.dev/v1
kind: Topology
services:
  a: { entry: true, calls: [${ALL_SHAPES.map((_, index) => `shape-${index}`).join(", ")}] }
${services.join("\n")}
  middle: { calls: [{ service: bad, timeout: ${timeout} }] }
  ok:
  bad:
  bad2:
`;
}

export function failingTopology(timeout?: string) {
  return parseTopology(renderFailingTopology(timeout), "failing.yaml");
}

export interface CheckOptions {
  /** Timeout of the calls that fail. */
  readonly timeout?: string;
  /** Removes what a call needs, after all other connections are open. */
  readonly prepare?: () => void | Promise<void>;
}

/** Runs every shape with `BAD` at this URL. */
export async function checkFailingCalls(
  kind: FailureKind,
  url: string,
  { timeout, prepare }: CheckOptions = {},
): Promise<void> {
  await using chain = startChain(failingTopology(timeout), {
    absent: ["bad", "bad2"],
    urls: { bad: url, bad2: url },
    link: { randomOf: () => () => 0.5 },
  });
  if (prepare !== undefined) {
    for (const index of ALL_SHAPES.keys()) await ask(chain.url, index, newTraceId());
    await chain.backend.waitForSpans(ALL_SHAPES.length);
    await prepare();
  }
  const answers = await askEachShape(chain.url, kind);
  expect(answers).toHaveLength(2 * ALL_SHAPES.length);
  expectWholeLedgers(answers, await chain.stop(), kind);
}

interface Answer {
  readonly what: string;
  readonly failed: number;
  readonly traceId: string;
  readonly ledger: string | null;
}

/** Sends each shape's request twice to a link, and checks its answers and counters. */
export async function askEachShape(url: string, kind: FailureKind): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  const { status = 502, reason, message } = kind;
  for (const [index, [what, { failed }]] of ALL_SHAPES.entries()) {
    for (let round = 0; round < 2; round++) {
      const before = await readCounters(url);
      const traceId = newTraceId();
      const response = await ask(url, index, traceId);
      const text = await response.text();
      expect([what, response.status, text]).toEqual([
        what,
        status,
        expect.stringMatching(/call to bad2? failed: /),
      ]);
      expect(JSON.parse(text).message).toEndWith(` failed: ${message}`);
      const after = await readCounters(url);
      const moved = (key: string) => (after.get(key) ?? 0) - (before.get(key) ?? 0);
      // The link in the middle counts this failure itself.
      const isOwn = what !== "below another link";
      expect([what, "failed", moved(`failed ${reason}`)]).toEqual([what, "failed", isOwn ? failed : 0]);
      expect([what, "answered", moved(`answered ${status}`)]).toEqual([what, "answered", 1]);
      expect([what, "in flight", after.get("in flight")]).toEqual([what, "in flight", 0]);
      for (let code = 200; code < 300; code++) expect(moved(`answered ${code}`)).toBe(0);
      answers.push({ what, failed, traceId, ledger: response.headers.get(LEDGER_HEADER) });
    }
  }
  return answers;
}

function ask(url: string, index: number, traceId: string): Promise<Response> {
  const traceparent = `00-${traceId}-00000000000000ff-01`;
  return fetch(`${url}/forward`, { headers: { "X-Current-Service": `shape-${index}`, traceparent } });
}

function newTraceId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}

async function readCounters(url: string): Promise<ReadonlyMap<string, number>> {
  const metrics = readPrometheusText(await (await fetch(`${url}/metrics`)).text());
  const counters = new Map<string, number>();
  const add = (key: string, value: number) => counters.set(key, (counters.get(key) ?? 0) + value);
  for (const { labels, value } of metrics.get("chain_link_failed_calls_total")?.samples ?? [])
    add(`failed ${labels.reason}`, value);
  for (const { labels, value } of metrics.get("chain_link_requests_total")?.samples ?? [])
    add(`answered ${labels.code}`, value);
  for (const { value } of metrics.get("chain_link_requests_in_flight")?.samples ?? [])
    add("in flight", value);
  return counters;
}

/** Checks that the ledgers account for exactly the spans that arrived, and that these spans name the failure. */
export function expectWholeLedgers(
  answers: readonly Answer[],
  spans: readonly Span[],
  { reason, message }: FailureKind,
): void {
  for (const { what, failed, traceId, ledger } of answers) {
    const own = spans.filter((span) => span.traceId === traceId);
    const recorded = own.reduce(
      (sum, { id, parentId = null, kind, localEndpoint }) =>
        addSpan(sum, { id, parentId, kind, serviceName: localEndpoint?.serviceName ?? "" }),
      EMPTY_LEDGER,
    );
    expect([what, ledger]).toEqual([what, formatLedger({ ...recorded, unknown: failed })]);
    const named = own.filter(
      ({ kind, tags }) => kind === "CLIENT" && tags?.["http.status_code"] === undefined,
    );
    expect([what, named.map(({ tags }) => [tags?.["error.type"], tags?.error])]).toEqual([
      what,
      Array.from({ length: failed }, () => [reason, `${reason}: ${message}`]),
    ]);
  }
}
