import { expect, test } from "bun:test";
import { OtlpReader } from "../../../src/verify/backend/otlp-reader.ts";

const TRACE = "5b8efff798038103d269b633813fc60c";
const SPAN = "eee19b7ec3c1b174";
const PARENT = "eee19b7ec3c1b173";
const ALIEN = "1".repeat(32);
const SERVICE = { attributes: [{ key: "service.name", value: { stringValue: "Cart" } }] };
const ATTRIBUTES = [
  { key: "server.address", value: { stringValue: "store" } },
  { key: "http.request.method", value: { stringValue: "GET" } },
  { key: "http.response.status_code", value: { intValue: "503" } },
];
const TIMES = { startTimeUnixNano: "1544712660300000000", endTimeUnixNano: "1544712660600000000" };

/** As Jaeger v2 documents `/api/v3/traces/{id}`: hex ids, kinds as numbers. */
const JAEGER = {
  result: {
    resourceSpans: [
      {
        resource: SERVICE,
        scopeSpans: [
          {
            scope: { name: "chain-link" },
            spans: [
              {
                traceId: TRACE,
                spanId: SPAN,
                parentSpanId: PARENT,
                kind: 3,
                attributes: ATTRIBUTES,
                ...TIMES,
              },
              { traceId: ALIEN, spanId: SPAN, kind: 2, ...TIMES },
            ],
          },
        ],
      },
    ],
  },
};

const signal = new AbortController().signal;

test("jaeger: spans of other traces in the documented answer are left out", async () => {
  await using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json(JAEGER) });
  const reader = new OtlpReader("jaeger", `http://127.0.0.1:${server.port}`);
  const traces = await reader.read([TRACE], signal);
  expect([...traces].map(([id, spans]) => [id, spans.map(({ parentId }) => parentId)])).toEqual([
    [TRACE, [PARENT]],
  ]);
});

test.each(["jaeger", "tempo"] as const)(
  "%s: an answer without a list of spans makes the backend unreadable",
  async (kind) => {
    const answer = { result: { resourceSpans: 3 }, trace: { resourceSpans: 3 } };
    await using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json(answer) });
    const reader = new OtlpReader(kind, `http://127.0.0.1:${server.port}`);
    await expect(reader.read([TRACE], signal)).rejects.toThrow("a list of objects");
  },
);

test("jaeger: services are listed, and traces of a service are found within a time range", async () => {
  const asked: URL[] = [];
  await using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const url = new URL(request.url);
      asked.push(url);
      return Response.json(url.pathname === "/api/v3/services" ? { services: ["Cart", "envoy"] } : JAEGER);
    },
  });
  const reader = new OtlpReader("jaeger", `http://127.0.0.1:${server.port}`);
  expect(await reader.readServices?.(signal)).toEqual(["cart", "envoy"]);
  const search = { service: "envoy", fromMs: 1_544_712_660_000, toMs: 1_544_712_661_500, limit: 7 };
  const traces = await reader.findTraces?.(search, signal);
  expect([...(traces ?? [])].map(([id, spans]) => [id, spans.length])).toEqual([
    [TRACE, 1],
    [ALIEN, 1],
  ]);
  expect(asked[1]?.pathname).toBe("/api/v3/traces");
  expect(Object.fromEntries(asked[1]?.searchParams ?? [])).toEqual({
    "query.service_name": "envoy",
    "query.start_time_min": "2018-12-13T14:51:00.000Z",
    "query.start_time_max": "2018-12-13T14:51:01.500Z",
    "query.search_depth": "7",
    "query.num_traces": "7",
    "query.raw_traces": "true",
  });
});

test("tempo: the reader cannot list services or search traces", () => {
  const reader = new OtlpReader("tempo", "http://127.0.0.1:1");
  expect([reader.readServices, reader.findTraces]).toEqual([undefined, undefined]);
});

test("jaeger: an answer that streams one result per line is read", async () => {
  const other = JSON.stringify(JAEGER).replaceAll(TRACE, "3".repeat(32));
  await using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => new Response(`${JSON.stringify(JAEGER)}\n${other}\n`),
  });
  const reader = new OtlpReader("jaeger", `http://127.0.0.1:${server.port}`);
  const traces = await reader.findTraces?.({ service: "envoy", fromMs: 0, toMs: 1, limit: 7 }, signal);
  expect([...(traces?.keys() ?? [])]).toEqual([TRACE, ALIEN, "3".repeat(32)]);
});
