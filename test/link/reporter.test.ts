import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createExporter, type ExportTarget } from "../../src/link/export.ts";
import { LinkLog } from "../../src/link/log.ts";
import {
  type DropReason,
  REPORTER_DEFAULTS,
  Reporter,
  type ReporterLimits,
} from "../../src/link/reporter.ts";
import type { SpanFormat } from "../../src/link/span-format.ts";
import type { Span } from "../../src/trace/span.ts";
import { makeCertificates } from "../helpers/certificates.ts";
import { CLOSED_PORT } from "../helpers/chain.ts";
import { recordOf } from "../helpers/span-record.ts";
import { accept, type Reaction, startBackend } from "../helpers/zipkin-backend.ts";

const SOURCE = { serviceName: "a", port: 3000 };
const RESOURCE = { attributes: { "service.name": "a" }, scope: { name: "chain-link", version: "1" } };
const NONE: Record<DropReason, number> = { queue_full: 0, rejected: 0, unavailable: 0, shutdown: 0 };

/** The span format of each reporter; spans are rendered in it before they are added. */
const formats = new WeakMap<Reporter, SpanFormat>();

function newReporter(target: ExportTarget | string, limits: Partial<ReporterLimits> = {}) {
  const lines: string[] = [];
  const exportTarget = typeof target === "string" ? ({ kind: "zipkin", url: target } as const) : target;
  const exporter = createExporter(exportTarget, SOURCE, RESOURCE);
  const reporter = new Reporter({
    ...REPORTER_DEFAULTS,
    delayMs: 10,
    backoffMs: 10,
    ...limits,
    exporter,
    random: () => 0,
    log: new LinkLog({
      service: "a",
      level: "info",
      format: "text",
      accessLog: false,
      write: (line) => lines.push(line),
      writeAccess: () => {},
    }),
  });
  formats.set(reporter, exporter.format);
  return { reporter, lines };
}

let made = 0;

function newSpans(count: number): Span[] {
  return Array.from({ length: count }, () => ({
    traceId: "463ac35c9f6413ad48485a3953bb6124",
    id: (++made).toString(16).padStart(16, "0"),
    kind: "SERVER",
    name: "/",
    timestamp: 1_700_000_000_000_000,
    duration: 1,
    localEndpoint: SOURCE,
    tags: {},
  }));
}

function addAll(reporter: Reporter, spans: readonly Span[]): void {
  const format = formats.get(reporter);
  if (format === undefined) throw new Error("not made by newReporter");
  for (const span of spans) reporter.add(recordOf(span, format));
}

function lossOf(reporter: Reporter): number {
  return Object.values(reporter.dropped).reduce((sum, count) => sum + count, 0);
}

/** Gives these answers first, and accepts everything after them. */
function answers(...first: readonly (() => Response)[]): Reaction {
  return (_delivery, index) => (first[index] ?? accept)();
}

const status =
  (code: number, headers: Record<string, string> = {}) =>
  () =>
    new Response("trouble", { status: code, headers });

describe("batches", () => {
  test("collect spans until the delay is over", async () => {
    await using backend = startBackend();
    const { reporter } = newReporter(backend.url, { delayMs: 30 });
    const spans = newSpans(3);
    const startMs = performance.now();
    addAll(reporter, spans);
    expect(reporter.queued).toBe(3);
    await backend.waitForSpans(3);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(25);
    expect(backend.deliveries.length).toBe(1);
    expect(backend.deliveries[0]?.path).toBe("/api/v2/spans");
    expect(backend.deliveries[0]?.headers.get("content-type")).toBe("application/json");
    expect(backend.spans).toEqual(spans);
  });

  test("are sent immediately when full, and the rest waits for more spans", async () => {
    await using backend = startBackend();
    const { reporter } = newReporter(backend.url, { delayMs: 60_000, batchSize: 10 });
    addAll(reporter, newSpans(25));
    await backend.waitForSpans(20);
    await Bun.sleep(20);
    expect(backend.spans.length).toBe(20);
    expect(reporter.queued).toBe(5);
    addAll(reporter, newSpans(5));
    await backend.waitForSpans(30);
    expect(backend.deliveries.length).toBe(3);
  });

  test("fill up under a steady stream, however fast the backend is", async () => {
    await using backend = startBackend();
    const { reporter } = newReporter(backend.url, { delayMs: 60_000, batchSize: 50 });
    for (let count = 0; count < 500; count++) {
      addAll(reporter, newSpans(1));
      if (count % 5 === 0) await Bun.sleep(0);
    }
    await backend.waitForSpans(500);
    expect(backend.deliveries.length).toBe(10);
  });

  test("are never larger than the queue", async () => {
    await using backend = startBackend();
    const { reporter } = newReporter(backend.url, { delayMs: 60_000, queueSize: 5, batchSize: 512 });
    addAll(reporter, newSpans(5));
    await backend.waitForSpans(5);
    expect(reporter.dropped).toEqual(NONE);
  });

  test("are sent at most four at a time, and later spans are queued up to the bound", async () => {
    const { promise: release, resolve } = Promise.withResolvers<void>();
    await using backend = startBackend({ react: () => release.then(accept) });
    const { reporter } = newReporter(backend.url, { queueSize: 60, batchSize: 10 });
    addAll(reporter, newSpans(40));
    await backend.waitForDeliveries(4);
    addAll(reporter, newSpans(23));
    expect(reporter.queued).toBe(60);
    expect(reporter.dropped).toEqual({ ...NONE, queue_full: 3 });
    await Bun.sleep(20);
    expect(backend.deliveries.length).toBe(4);
    resolve();
    await reporter.close(2000);
    expect(reporter.sent).toBe(60);
    expect(reporter.queued).toBe(0);
  });

  test("are sent one at a time to a failing backend until it recovers", async () => {
    let [underWay, most] = [0, 0];
    let isBack = false;
    await using backend = startBackend({
      async react(_delivery, index) {
        underWay++;
        // The first batch is alone: its failure is known before others are sent.
        if (index > 0 && !isBack) most = Math.max(most, underWay);
        await Bun.sleep(5);
        underWay--;
        return isBack ? accept() : new Response("trouble", { status: 503 });
      },
    });
    const { reporter } = newReporter(backend.url, { batchSize: 10 });
    addAll(reporter, newSpans(10));
    await backend.waitForDeliveries(2);
    addAll(reporter, newSpans(100));
    await backend.waitForDeliveries(4);
    expect(most).toBe(1);
    isBack = true;
    await reporter.close(5000);
    expect(reporter.sent).toBe(110);
  });
});

describe("after a transient failure", () => {
  test.each([429, 500, 502, 503, 504])("with status %d the same batch is sent again", async (code) => {
    await using backend = startBackend({ react: answers(status(code), status(code)) });
    const { reporter } = newReporter(backend.url);
    addAll(reporter, newSpans(3));
    await backend.waitForSpans(3);
    await reporter.close(1000);
    expect(backend.deliveries.length).toBe(3);
    expect(reporter.sent).toBe(3);
    expect(reporter.dropped).toEqual(NONE);
  });

  test("the pauses grow, and half of each is random", async () => {
    await using backend = startBackend({ react: answers(...Array.from({ length: 4 }, () => status(503))) });
    const { reporter } = newReporter(backend.url, { backoffMs: 40 });
    addAll(reporter, newSpans(1));
    await backend.waitForSpans(1);
    const times = backend.deliveries.map(({ atMs }) => atMs);
    const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    // random is 0: half of 40, 80, 160, 320.
    for (const [index, atLeast] of [20, 40, 80, 160].entries())
      expect(pauses[index]).toBeGreaterThanOrEqual(atLeast - 2);
    await reporter.close(100);
  });

  test("Retry-After in seconds is honored", async () => {
    await using backend = startBackend({ react: answers(status(503, { "Retry-After": "1" })) });
    const { reporter } = newReporter(backend.url);
    addAll(reporter, newSpans(1));
    await backend.waitForSpans(1);
    const [first, second] = backend.deliveries;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(990);
    await reporter.close(100);
  });

  test("Retry-After as a date is honored", async () => {
    const date = new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000);
    await using backend = startBackend({
      react: answers(status(429, { "Retry-After": date.toUTCString() })),
    });
    const { reporter } = newReporter(backend.url);
    addAll(reporter, newSpans(1));
    await backend.waitForSpans(1);
    expect(Date.now()).toBeGreaterThanOrEqual(date.getTime() - 5);
    await reporter.close(100);
  });

  test.each(["soon", "-5", "", "Thu, 01 Jan 1970 00:00:00 GMT"])(
    "Retry-After: %j is ignored",
    async (text) => {
      await using backend = startBackend({ react: answers(status(503, { "Retry-After": text })) });
      const { reporter } = newReporter(backend.url);
      addAll(reporter, newSpans(1));
      await backend.waitForSpans(1);
      expect(reporter.dropped).toEqual(NONE);
      await reporter.close(100);
    },
  );

  test.skipIf(Bun.which("openssl") === null)(
    "the warning names the cause of a failed connection",
    async () => {
      const { cert, key } = makeCertificates().selfSigned;
      const tls = { cert, key };
      await using secure = Bun.serve({ hostname: "127.0.0.1", port: 0, tls, fetch: () => new Response() });
      for (const [url, words] of [
        [`https://localhost:${secure.port}`, "certificate is self-signed"],
        ["http://224.0.0.1", process.platform === "linux" ? "network is unreachable" : ""],
      ] as const) {
        const { reporter, lines } = newReporter(url, { batchSize: 10 });
        addAll(reporter, newSpans(10));
        while (lines.length === 0) await Bun.sleep(5);
        expect(lines[0]).toEndWith(`cannot send spans to ${url}/api/v2/spans: ${words}`);
        await reporter.close(1);
      }
    },
  );

  test("a batch with an answer of 70 MB counts as accepted and is not sent again", async () => {
    const answer = new Uint8Array(70_000_000);
    await using backend = startBackend({ react: () => new Response(answer, { status: 202 }) });
    const { reporter, lines } = newReporter(backend.url, { batchSize: 10 });
    addAll(reporter, newSpans(10));
    await backend.waitForSpans(10);
    await reporter.close(20_000);
    expect(reporter.sent).toBe(10);
    expect(reporter.dropped).toEqual(NONE);
    expect(backend.deliveries).toHaveLength(1);
    expect(lines).toEqual([]);
  });

  test("a recovery after refused connections loses nothing, and failure and recovery are logged once each", async () => {
    const gone = startBackend();
    const port = Number(new URL(gone.url).port);
    await gone.stop();
    const { reporter, lines } = newReporter(gone.url, { batchSize: 10 });
    addAll(reporter, newSpans(25));
    while (lines.length === 0) await Bun.sleep(5);
    await using backend = startBackend({ port });
    await backend.waitForSpans(25);
    await reporter.close(1000);
    expect(reporter.sent).toBe(25);
    expect(reporter.dropped).toEqual(NONE);
    expect(lines).toEqual([
      `WARNING  cannot send spans to ${backend.url}/api/v2/spans: connection refused`,
      `INFO     sending spans to ${backend.url}/api/v2/spans again`,
    ]);
  });

  test("a request to a hanging backend times out and is retried", async () => {
    const react: Reaction = (_delivery, index) => (index === 0 ? new Promise<Response>(() => {}) : accept());
    await using backend = startBackend({ react });
    const { reporter, lines } = newReporter(backend.url, { timeoutMs: 50 });
    addAll(reporter, newSpans(2));
    await backend.waitForSpans(2);
    await reporter.close(1000);
    expect(reporter.sent).toBe(2);
    expect(lines[0]).toEndWith("no answer within 50 ms");
  });

  test("a batch that grew too old is dropped as unavailable, and the next one is sent", async () => {
    await using backend = startBackend({ react: status(503) });
    const { reporter } = newReporter(backend.url, { batchSize: 4, giveUpMs: 60 });
    addAll(reporter, newSpans(4));
    while (reporter.dropped.unavailable === 0) await Bun.sleep(5);
    expect(reporter.dropped).toEqual({ ...NONE, unavailable: 4 });
    backend.react = accept;
    addAll(reporter, newSpans(4));
    await backend.waitForSpans(4);
    await reporter.close(1000);
    expect(reporter.sent).toBe(4);
  });

  test("Retry-After is also honored after a batch was dropped", async () => {
    await using backend = startBackend({ react: answers(status(503, { "Retry-After": "1" })) });
    const { reporter, lines } = newReporter(backend.url, { batchSize: 4, giveUpMs: 10 });
    addAll(reporter, newSpans(4));
    while (lines.length === 0) await Bun.sleep(1);
    addAll(reporter, newSpans(4));
    await backend.waitForSpans(4);
    const [first, second] = backend.deliveries;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(990);
    await reporter.close(1000);
    expect(reporter.dropped).toEqual({ ...NONE, unavailable: 4 });
    expect(reporter.sent).toBe(4);
  });
});

describe("a permanent failure:", () => {
  test.each([400, 401, 403, 404, 413])(
    "status %d drops the batch as rejected, without a retry",
    async (code) => {
      await using backend = startBackend({ react: answers(status(code)) });
      const { reporter, lines } = newReporter(backend.url, { batchSize: 3 });
      addAll(reporter, newSpans(6));
      await backend.waitForSpans(3);
      await reporter.close(1000);
      expect(reporter.dropped).toEqual({ ...NONE, rejected: 3 });
      expect(reporter.sent).toBe(3);
      expect(lines[0]).toEndWith(`: ${code} trouble`);
    },
  );

  test("a redirect does not count as acceptance, wherever it leads", async () => {
    await using elsewhere = startBackend({ react: () => new Response("please sign in") });
    await using backend = startBackend({ react: () => Response.redirect(elsewhere.url, 302) });
    const { reporter } = newReporter(backend.url);
    addAll(reporter, newSpans(2));
    await reporter.close(1000);
    expect(elsewhere.deliveries.length).toBe(0);
    expect(reporter.dropped).toEqual({ ...NONE, rejected: 2 });
    expect(reporter.sent).toBe(0);
  });

  test("status 500 is permanent for OTLP, but transient for Zipkin", async () => {
    await using backend = startBackend({ react: status(500) });
    const target = { kind: "otlp", url: backend.url, protocol: "http/json", headers: {} } as const;
    const { reporter } = newReporter(target);
    addAll(reporter, newSpans(2));
    await backend.waitForDeliveries(1);
    while (lossOf(reporter) === 0) await Bun.sleep(2);
    expect(reporter.dropped).toEqual({ ...NONE, rejected: 2 });
    await reporter.close(100);
  });

  const PARTIAL_JSON = '{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}';

  test.each([
    ["http/json", new TextEncoder().encode(PARTIAL_JSON)],
    ["http/protobuf", Uint8Array.of(0x0a, 0x02, 0x08, 0x02)],
  ] as const)("the part of a batch that an %s receiver rejects is counted so", async (protocol, body) => {
    await using backend = startBackend({ react: () => new Response(body) });
    const { reporter, lines } = newReporter({ kind: "otlp", url: backend.url, protocol, headers: {} });
    addAll(reporter, newSpans(5));
    await reporter.close(1000);
    expect(reporter.sent).toBe(3);
    expect(reporter.dropped).toEqual({ ...NONE, rejected: 2 });
    expect(lines[0]).toEndWith("it rejected 2 of 5 spans");
  });
});

describe("OTLP", () => {
  test("is sent to /v1/traces with the configured headers", async () => {
    await using backend = startBackend({ react: () => new Response(null) });
    const headers = { "X-Api-Key": "secret" };
    for (const protocol of ["http/json", "http/protobuf"] as const) {
      const { reporter } = newReporter({ kind: "otlp", url: backend.url, protocol, headers });
      addAll(reporter, newSpans(1));
      await reporter.close(1000);
      expect(reporter.sent).toBe(1);
    }
    expect(backend.deliveries.map(({ path }) => path)).toEqual(["/v1/traces", "/v1/traces"]);
    expect(backend.deliveries.map((it) => it.headers.get("content-type"))).toEqual([
      "application/json",
      "application/x-protobuf",
    ]);
    expect(backend.deliveries.map((it) => it.headers.get("x-api-key"))).toEqual(["secret", "secret"]);
  });

  test("is sent to the standard path below a base URL, and to an exact URL as it is", async () => {
    await using backend = startBackend();
    for (const isExact of [false, true]) {
      const url = `${backend.url}/own/path`;
      const { reporter } = newReporter({ kind: "otlp", url, isExact, protocol: "http/json", headers: {} });
      addAll(reporter, newSpans(1));
      await reporter.close(1000);
    }
    const { reporter: zipkin } = newReporter(`${backend.url}/zipkin/api/v2/spans`);
    addAll(zipkin, newSpans(1));
    await zipkin.close(1000);
    expect(backend.deliveries.map(({ path }) => path)).toEqual([
      "/own/path/v1/traces",
      "/own/path",
      "/zipkin/api/v2/spans",
    ]);
  });
});

describe("the shutdown", () => {
  test("sends everything in the queue", async () => {
    await using backend = startBackend();
    const { reporter } = newReporter(backend.url, { delayMs: 60_000, batchSize: 100 });
    addAll(reporter, newSpans(250));
    await reporter.close(5000);
    expect(backend.spans.length).toBe(250);
    expect(reporter.sent).toBe(250);
    expect(reporter.queued).toBe(0);
  });

  test("waits for the batch in flight", async () => {
    const { promise: release, resolve } = Promise.withResolvers<void>();
    await using backend = startBackend({ react: () => release.then(accept) });
    const { reporter } = newReporter(backend.url);
    addAll(reporter, newSpans(1));
    await backend.waitForDeliveries(1);
    addAll(reporter, newSpans(1));
    const closed = reporter.close(5000);
    resolve();
    await closed;
    expect(reporter.sent).toBe(2);
  });

  test("does not wait out a pause, but retries once immediately", async () => {
    await using backend = startBackend({ react: answers(status(503, { "Retry-After": "20" })) });
    const { reporter } = newReporter(backend.url);
    addAll(reporter, newSpans(1));
    await backend.waitForDeliveries(1);
    await Bun.sleep(20);
    // The pause of 20 s is longer than the grace period, after which the span would count as dropped.
    await reporter.close(5000);
    expect(reporter.sent).toBe(1);
  });

  test.each([
    ["refuses connections", null],
    ["keeps answering 503", status(503)],
    ["hangs", () => new Promise<Response>(() => {})],
  ] as const)(
    "with a backend that %s ends with the grace period, and counts the rest as dropped",
    async (_what, react) => {
      await using backend = startBackend(react === null ? {} : { react });
      // Anything but the grace period would outlast this test.
      const limits = { batchSize: 10, timeoutMs: 3_600_000, backoffMs: 3_600_000 };
      const { reporter } = newReporter(react === null ? CLOSED_PORT : backend.url, limits);
      addAll(reporter, newSpans(35));
      if (react !== null) await backend.waitForDeliveries(1);
      await reporter.close(200);
      expect(reporter.sent).toBe(0);
      expect(reporter.dropped).toEqual({ ...NONE, shutdown: 35 });
      expect(reporter.queued).toBe(0);
    },
  );

  test("is immediate without a grace period", async () => {
    await using backend = startBackend({ react: () => new Promise<Response>(() => {}) });
    const { reporter } = newReporter(backend.url);
    addAll(reporter, newSpans(1));
    await reporter.close(0);
    expect(reporter.dropped.shutdown).toBe(1);
  });

  test("happens once, and later calls wait for the first", async () => {
    await using backend = startBackend();
    const { reporter } = newReporter(backend.url, { delayMs: 60_000 });
    addAll(reporter, newSpans(3));
    await Promise.all([reporter.close(2000), reporter.close(0), reporter.close(2000)]);
    await reporter.close(0);
    expect(reporter.sent).toBe(3);
    expect(reporter.dropped).toEqual(NONE);
  });

  test("counts spans that are added during and after it as dropped", async () => {
    const { promise: release, resolve } = Promise.withResolvers<void>();
    await using backend = startBackend({ react: () => release.then(accept) });
    const { reporter } = newReporter(backend.url);
    addAll(reporter, newSpans(1));
    const closed = reporter.close(5000);
    addAll(reporter, newSpans(2));
    resolve();
    await closed;
    addAll(reporter, newSpans(4));
    expect(reporter.sent).toBe(1);
    expect(reporter.dropped).toEqual({ ...NONE, shutdown: 6 });
  });
});

test("whatever the backend does, every span is counted exactly once, and spans counted as sent were accepted", async () => {
  const mood = fc.constantFrom("accept", "accept", "accept", "busy", "reject", "hang", "slow", "redirect");
  const load = fc.record({
    moods: fc.array(mood, { minLength: 1, maxLength: 12 }),
    bursts: fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 12 }),
    queueSize: fc.integer({ min: 1, max: 40 }),
    batchSize: fc.integer({ min: 1, max: 20 }),
    giveUpMs: fc.constantFrom(1, 30, 1000),
    graceMs: fc.constantFrom(0, 30, 300),
  });
  const react =
    (moods: readonly string[]): Reaction =>
    async (_delivery, index) => {
      switch (moods[index % moods.length]) {
        case "busy":
          return new Response(null, { status: 503 });
        case "reject":
          return new Response(null, { status: 400 });
        case "redirect":
          return Response.redirect("/elsewhere", 307);
        case "slow":
          await Bun.sleep(5);
          return accept();
        case "hang":
          return new Promise<Response>(() => {});
        default:
          return accept();
      }
    };
  await fc.assert(
    fc.asyncProperty(load, async ({ moods, bursts, graceMs, ...limits }) => {
      await using backend = startBackend({ react: react(moods) });
      const { reporter } = newReporter(backend.url, { ...limits, delayMs: 1, backoffMs: 2, timeoutMs: 20 });
      let recorded = 0;
      const feed = async () => {
        for (const burst of bursts) {
          addAll(reporter, newSpans(burst));
          recorded += burst;
          expect(reporter.queued).toBeLessThanOrEqual(limits.queueSize);
          expect(reporter.sent + lossOf(reporter) + reporter.queued).toBe(recorded);
          await Bun.sleep(0);
        }
      };
      // The reporter may be closed while spans are still recorded.
      const feeding = feed();
      await Bun.sleep(bursts.length % 3);
      await reporter.close(graceMs);
      await feeding;
      expect(reporter.queued).toBe(0);
      expect(reporter.sent + lossOf(reporter)).toBe(recorded);
      // Spans accepted after the reporter gave up on the answer count as dropped; the reverse never happens.
      expect(new Set(backend.spans.map(({ id }) => id)).size).toBeGreaterThanOrEqual(reporter.sent);
    }),
    { numRuns: 60 },
  );
}, 20_000);
