import { expect, test } from "bun:test";
import { OtlpReader } from "../../../src/verify/backend/otlp-reader.ts";

const TRACE = "5b8efff798038103d269b633813fc60c";
const SPAN = "eee19b7ec3c1b174";
const PARENT = "eee19b7ec3c1b173";
const ALIEN = "1".repeat(32);
const base64 = (hex: string) => Buffer.from(hex, "hex").toString("base64");
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
              { traceId: "1".repeat(32), spanId: SPAN, kind: 2, ...TIMES },
            ],
          },
        ],
      },
    ],
  },
};

/** As Tempo documents `/api/v2/traces/{id}`: ids in base64, kinds by name. */
const TEMPO = {
  trace: {
    resourceSpans: [
      {
        resource: SERVICE,
        scopeSpans: [
          {
            spans: [
              {
                traceId: base64(TRACE),
                spanId: base64(SPAN),
                parentSpanId: base64(PARENT),
                kind: "SPAN_KIND_CLIENT",
                attributes: ATTRIBUTES,
                ...TIMES,
              },
            ],
          },
        ],
      },
    ],
  },
  metrics: {},
};

const EXPECTED = {
  id: SPAN,
  parentId: PARENT,
  kind: "CLIENT",
  serviceName: "cart",
  remote: "store",
  status: 503,
  attempt: 0,
  startUs: 1544712660300000,
  endUs: 1544712660600000,
  captured: null,
} as const;

function serve(answers: Readonly<Record<string, object>>) {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request): Response {
      const answer = answers[new URL(request.url).pathname];
      if (answer === undefined) return Response.json({ error: { httpCode: 404 } }, { status: 404 });
      return answer instanceof Response ? (answer.clone() as Response) : Response.json(answer);
    },
  });
}

const signal = new AbortController().signal;

for (const [kind, path, answer] of [
  ["jaeger", "/api/v3/traces/", JAEGER],
  ["tempo", "/api/v2/traces/", TEMPO],
] as const) {
  test(`${kind}: the documented answer is read; a missing trace and spans of other traces are left out`, async () => {
    await using server = serve({ [path + TRACE]: answer });
    const reader = new OtlpReader(kind, `http://127.0.0.1:${server.port}`);
    const traces = await reader.read([TRACE, "2".repeat(32)], signal);
    expect([...traces]).toEqual([[TRACE, [EXPECTED]]]);
  });

  test(`${kind}: the error names an unusable answer: a web page, a status, broken JSON or other traces`, async () => {
    const bad = {
      "a web page": new Response("<html>", { headers: { "Content-Type": "text/html" } }),
      "503 busy": new Response("busy", { status: 503 }),
      JSON: new Response(JSON.stringify(answer).slice(0, 100)),
      "traces that were not requested": JSON.parse(
        JSON.stringify(answer).replaceAll(TRACE, ALIEN).replaceAll(base64(TRACE), base64(ALIEN)),
      ),
      "a list of objects": { result: { resourceSpans: 3 }, trace: { resourceSpans: 3 } },
    };
    for (const [text, response] of Object.entries(bad)) {
      await using server = serve({ [path + TRACE]: response });
      const reader = new OtlpReader(kind, `http://127.0.0.1:${server.port}`);
      await expect(reader.read([TRACE], signal)).rejects.toThrow(text);
    }
  });
}

test("tempo: a trace that is cut at the size limit is not taken for a whole one", async () => {
  for (const status of ["PARTIAL", 1]) {
    const partial = { ...TEMPO, status, message: "trace exceeds max size (max bytes: 50000)" };
    await using server = serve({ [`/api/v2/traces/${TRACE}`]: partial });
    const reader = new OtlpReader("tempo", `http://127.0.0.1:${server.port}`);
    await expect(reader.read([TRACE], signal)).rejects.toThrow(
      `it returns only a part of trace ${TRACE} (status PARTIAL: trace exceeds max size (max bytes: 50000))`,
    );
  }
});

test("jaeger: 404 from something before it does not make traces absent", async () => {
  await using server = serve({});
  const reader = new OtlpReader("jaeger", `http://127.0.0.1:${server.port}`);
  await expect(reader.read([TRACE], signal)).rejects.toThrow("something before it answers 404");
});

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
