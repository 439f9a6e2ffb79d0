import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import type { Span } from "../../../src/trace/span.ts";
import { eventually, temporaryFolder } from "../../helpers/cli.ts";
import { startCollectorProcess } from "../../helpers/collector-process.ts";
import { startFaultProxy } from "../../helpers/fault-proxy.ts";
import { verifyRun } from "../../helpers/verify-run.ts";
import {
  killUnderLoad,
  NAMES,
  startCollectorBackend,
  startLinks,
  TOPOLOGY,
  testForgottenSpans,
} from "./restarted-backend.ts";

setDefaultTimeout(240_000);

test("a link that is killed under load is the only one blamed for its last spans", async () => {
  const collector = await startCollectorProcess();
  await using proxy = startFaultProxy(collector.url);
  await using links = await startLinks(proxy.url);
  const sentByB = () => proxy.passed.filter(({ localEndpoint }) => localEndpoint?.serviceName === "b").length;
  const killed = (async () => {
    await eventually(() => (proxy.received > 600 ? true : undefined), 60_000);
    // Kill it between two of its batches: right after one it would have no spans to lose.
    const before = sentByB();
    await eventually(() => (sentByB() > before ? true : undefined));
    await Bun.sleep(300);
    await links.restart("b");
  })();
  const result = await verifyRun({
    url: links.urls.get("a") ?? "",
    backend: { kind: "collector", url: collector.url },
    topology: TOPOLOGY,
    requests: 600,
    perSecond: 100,
    links: links.urls,
    maxWaitMs: 5000,
    onSent: () => killed,
  });
  const lost = lostOf(proxy.passed);
  expect(lost).toBeGreaterThan(0);
  expect(result.outcome).toBe("incomplete");
  expect(result.spans).toMatchObject({ missing: lost, unattributed: 0, altered: 0, copies: 0 });
  expect(Object.keys(result.links)).toEqual(["b"]);
  // It runs again at the same address, where verify cannot tell it from a second replica.
  expect(result.losses).toEqual([{ link: "b", reason: "restarted_or_several_replicas", spans: lost }]);
  collector.signal("SIGTERM");
  await collector.exited;
});

/** Number of spans missing from requests that passed through the whole chain. */
function lostOf(passed: readonly Span[]): number {
  let lost = 0;
  for (const spans of Map.groupBy(passed, ({ traceId }) => traceId).values()) {
    const root = spans.find(({ parentId }) => parentId === undefined);
    if (root?.tags?.["http.status_code"] === "200") lost += 2 * NAMES.length - 1 - spans.length;
  }
  return lost;
}

describe("a backend that is killed under load and restarted", () => {
  test("loses no accepted span if it stores them in a file", async () => {
    using folder = temporaryFolder();
    const { result, dropped } = await killUnderLoad(
      await startCollectorBackend(["--data", join(folder.path, "spans.db")]),
    );
    expect(dropped).toBe(0);
    expect(result).toMatchObject({ outcome: "complete", spans: { missing: 0 }, losses: [] });
  });

  const SHORT = { requests: 400, maxWaitMs: 10_000 };

  test.each([1, 1000])(
    "is blamed for its spans if it stores them in memory and is killed after %i of them",
    async (spans) => {
      const { result, before, dropped } = await killUnderLoad(await startCollectorBackend(), {
        ...SHORT,
        spansBefore: spans,
      });
      expect(before).toBeGreaterThan(0);
      expect(result.outcome).toBe("incomplete");
      expect(result.spans.missing).toBe(before + dropped);
      expect(result.losses).toContainEqual({ link: null, reason: "backend_restarted", spans: before });
    },
  );

  test("is blamed for its spans if it does not report its start time", async () => {
    // Zipkin's API has no start time, for example behind a proxy; the collector omits it in that mode.
    const { result, before, dropped } = await killUnderLoad(await startCollectorBackend([], "zipkin"), {
      ...SHORT,
      spansBefore: 1000,
    });
    expect(result.outcome).toBe("incomplete");
    expect(result.spans.missing).toBe(before + dropped);
    // Its counters may be lower or higher than before when they are read again.
    expect(result.losses.some(({ reason }) => reason.startsWith("backend_restarted"))).toBe(true);
  });

  testForgottenSpans("our collector without a file", () => startCollectorBackend());
});
