import { expect, test } from "bun:test";
import { LiveRecorder } from "../../src/collector/live-recorder.ts";
import { startCollector } from "../../src/collector/server.ts";
import { SpanStore } from "../../src/collector/span-store.ts";
import type { LiveSecond } from "../../src/contract/live.ts";
import { hexId, makeChain, makeSpan, newTraceId } from "./spans.ts";

const START = 1_700_000_000;
const COUNTS = { traces: 1, spans: 5, evictedSpans: 2, refusedSpans: 0, duplicateSpans: 0 };

function makeRecorder() {
  const clock = { seconds: START };
  const recorder = new LiveRecorder(
    () => COUNTS,
    () => clock.seconds * 1000,
  );
  const seconds = () => recorder.history().map((json) => JSON.parse(json) as LiveSecond);
  return { clock, recorder, seconds };
}

test("services count SERVER spans, edges CLIENT spans, in the second in which they ended", () => {
  const { clock, recorder, seconds } = makeRecorder();
  const chain = makeChain(hexId(1), 3, START * 1000 - 0.2);
  recorder.record([...chain, makeSpan({ kind: "SERVER", timestamp: START * 1e6, tags: { error: "" } })]);
  recorder.recordDropped(3);
  clock.seconds += 3;
  const [before, second] = seconds().slice(-2);
  expect(second?.time).toBe(START * 1000);
  expect(before?.services).toEqual([]);
  expect(second?.services.map(({ name }) => name)).toEqual([0, 1, 2].map((i) => `chain-link-service-${i}`));
  expect(second?.edges[1]).toEqual({
    from: "chain-link-service-1",
    to: "chain-link-service-2",
    requests: 1,
    errors: 0,
    p50: 600,
    p90: 600,
    p99: 600,
  });
  expect(second?.spans).toEqual({ accepted: 6, dropped: 3, held: 5, evicted: 2 });
});

test("a second has the quantiles and errors of its spans", () => {
  const { clock, recorder, seconds } = makeRecorder();
  const spans = Array.from({ length: 100 }, (_, index) =>
    makeSpan({
      kind: "SERVER",
      timestamp: START * 1e6,
      duration: index + 1,
      localEndpoint: { serviceName: "a" },
      ...(index < 7 && { tags: { error: "false" } }),
    }),
  );
  recorder.record(spans);
  clock.seconds += 3;
  expect(seconds().at(-1)?.services).toEqual([
    { name: "a", requests: 100, errors: 7, p50: 50, p90: 90, p99: 99 },
  ]);
});

test("late spans and spans from another clock count in an open second, and none is lost", () => {
  const { clock, recorder, seconds } = makeRecorder();
  for (const timestamp of [1, (START - 1) * 1e6, (START + 999) * 1e6]) {
    recorder.record([makeSpan({ kind: "SERVER", timestamp, localEndpoint: { serviceName: "a" } })]);
  }
  clock.seconds += 10;
  expect(seconds().map(({ services }) => services[0]?.requests ?? 0)).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
});

test("numbers stay when their spans are evicted", () => {
  const store = new SpanStore({ maxSpans: 5 });
  const clock = { seconds: START };
  const recorder = new LiveRecorder(
    () => store.counts(),
    () => clock.seconds * 1000,
  );
  for (let trace = 1; trace <= 10; trace++) {
    const chain = makeChain(hexId(trace), 3, START * 1000 + trace);
    store.add(chain);
    recorder.record(chain);
  }
  clock.seconds += 3;
  const last = JSON.parse(recorder.history().at(-1) ?? "") as LiveSecond;
  expect(last.services.map(({ requests }) => requests)).toEqual([10, 10, 10]);
  expect(last.edges.map(({ requests }) => requests)).toEqual([10, 10]);
  expect(last.spans).toEqual({ accepted: 50, dropped: 0, held: 5, evicted: 45 });
});

test("after hours of silence the history is two minutes long", () => {
  const { clock, recorder, seconds } = makeRecorder();
  clock.seconds += 100_000;
  recorder.record([]);
  expect(seconds()).toHaveLength(120);
});

test("the stream starts with the history, then sends each second", async () => {
  const collector = startCollector({ host: "127.0.0.1", port: 0 });
  const post = () =>
    fetch(`${collector.url}/api/v2/spans`, {
      method: "POST",
      body: JSON.stringify(makeChain(newTraceId(), 2, Date.now())),
    });
  await post();
  const response = await fetch(`${collector.url}/api/live`);
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  let text = "";
  let hasPosted = false;
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk);
    if (!hasPosted) await post();
    hasPosted = true;
    if (/event: second\n.*"requests":[1-9]/.test(text)) break;
  }
  expect(text).toStartWith("event: history\ndata: [");
  await collector.stop();
});
