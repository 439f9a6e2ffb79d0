import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { MAX_BODY_BYTES } from "../../src/collector/request-body.ts";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import type { StoreCounts } from "../../src/contract/collector-counts.ts";
import { encodeOtlpJson, encodeOtlpProtobuf } from "../../src/trace/otlp.ts";
import { ProtobufWriter } from "../../src/trace/protobuf.ts";
import { hexId, makeChain, newTraceId } from "./spans.ts";

/** A trace ID that no hostile or damaged span has. */
const WITNESS = "77777777777777777777777777777777";

let collector: Collector;
let witness: string;
beforeAll(async () => {
  collector = startCollector({ host: "127.0.0.1", port: 0, autocompleteKeys: ["environment"] });
  const chain = makeChain(WITNESS, 3, Date.now() - 1000);
  expect((await post(JSON.stringify(chain))).status).toBe(202);
  witness = await readTrace(WITNESS);
});
afterAll(() => collector.stop());

function post(body: Bun.BodyInit, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${collector.url}/api/v2/spans`, { method: "POST", body, headers });
}

async function readTrace(traceId: string): Promise<string> {
  return (await fetch(`${collector.url}/api/v2/trace/${traceId}`)).text();
}

/** Checks that all other data is unchanged and every query is answered. */
async function expectUnharmed(): Promise<void> {
  expect(await readTrace(WITNESS)).toBe(witness);
  const now = `endTs=${Date.now() + 60_000}`;
  for (const path of [
    "/health",
    "/metrics",
    "/prometheus",
    "/api/runs",
    "/api/v2/services",
    `/api/v2/traces?limit=100000&${now}`,
    `/api/v2/traces?limit=100000&lookback=${Date.now()}&${now}`,
    `/api/v2/dependencies?${now}&lookback=${Date.now()}`,
    "/page/traces?limit=1000",
  ]) {
    const response = await fetch(collector.url + path);
    expect([path, response.status]).toEqual([path, 200]);
    await response.bytes();
  }
  expect((await post(JSON.stringify(makeChain(newTraceId(), 2, Date.now())))).status).toBe(202);
}

/** Posts all bodies, some in parallel, and counts the answers by status. */
async function postEach(
  bodies: readonly Uint8Array<ArrayBuffer>[],
  send: (body: Uint8Array<ArrayBuffer>) => Promise<Response> = post,
): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {};
  for (let start = 0; start < bodies.length; start += 16) {
    const responses = await Promise.all(bodies.slice(start, start + 16).map((body) => send(body)));
    for (const { status } of responses) statuses[status] = (statuses[status] ?? 0) + 1;
    await Promise.all(responses.map((response) => response.bytes()));
  }
  return statuses;
}

describe("a damaged batch", () => {
  const batch = (name: string) =>
    Buffer.from(
      JSON.stringify([
        { traceId: hexId(0xabcd), id: "1", name, timestamp: Date.now() * 1000, duration: 5, shared: true },
        {
          traceId: hexId(0xabcd),
          id: "2",
          parentId: "1",
          kind: "CLIENT",
          localEndpoint: { serviceName: "a", ipv4: "1.2.3.4", port: 80 },
          annotations: [{ timestamp: 1, value: "é\n" }],
          tags: { error: "", "a.b": "\\" },
        },
      ]),
    );

  test("a batch that is truncated at any byte is answered with 400, and none of it is stored", async () => {
    const whole = batch("cut");
    const { spans } = collector.store.counts();
    const cuts = Array.from(whole.keys(), (length) => new Uint8Array(whole.subarray(0, length)));
    // The first one is empty: a batch without spans.
    expect(await postEach(cuts)).toEqual({ 202: 1, 400: whole.length - 1 });
    expect(collector.store.counts().spans).toBe(spans);
    await expectUnharmed();
  });

  test.each([
    ["a bracket", 0x5b],
    ["a quote", 0x22],
    ["a digit", 0x39],
    ["NUL", 0],
    ["what is not UTF-8", 0xff],
  ])("a batch with %s in place of any byte is accepted or rejected, and harms nothing", async (_, byte) => {
    const whole = batch("damaged");
    const damaged = Array.from(whole.keys(), (place) => new Uint8Array(whole).fill(byte, place, place + 1));
    const { 202: taken = 0, 400: refused = 0, ...others } = await postEach(damaged);
    expect(others).toEqual({});
    expect(taken + refused).toBe(whole.length);
    expect(refused).toBeGreaterThan(0);
    await expectUnharmed();
  });
});

describe("a damaged batch of another kind", () => {
  const chain = makeChain(`00000000000000aa${hexId(0xabcd)}`, 2, Date.now()).slice(0, 1);
  const resource = { attributes: { "service.name": "a" }, scope: { name: "b", version: "1" } };
  const zipkin = new ProtobufWriter()
    .nested(1, (span) =>
      span
        .hex(1, hexId(0xabcd))
        .hex(3, hexId(1))
        .varint(4, 2)
        .text(5, "get")
        .fixed64(6, 1_700_000_000_000_000n)
        .nested(8, (endpoint) => endpoint.text(1, "a").hex(2, "01020304").varint(4, 80))
        .nested(10, (annotation) => annotation.fixed64(1, 1n).text(2, "note"))
        .nested(11, (tag) => tag.text(1, "b").text(2, "2")),
    )
    .finish();

  test.each([
    ["Zipkin protobuf", "/api/v2/spans", "application/x-protobuf", zipkin],
    ["OTLP protobuf", "/v1/traces", "application/x-protobuf", encodeOtlpProtobuf(chain, resource)],
    ["OTLP JSON", "/v1/traces", "application/json", Buffer.from(encodeOtlpJson(chain, resource))],
  ])(
    "a batch of %s, truncated or changed at any byte, is accepted or rejected",
    async (_, path, type, whole) => {
      const bodies = Array.from(whole.keys(), (length) => new Uint8Array(whole.subarray(0, length)));
      for (const byte of [0, 0x22, 0x7f, 0xff])
        for (const place of whole.keys()) bodies.push(new Uint8Array(whole).fill(byte, place, place + 1));
      const headers = { "Content-Type": type };
      const send = (body: Bun.BodyInit) => fetch(collector.url + path, { method: "POST", body, headers });
      const { 200: otlp = 0, 202: taken = 0, 400: refused = 0, ...others } = await postEach(bodies, send);
      expect(others).toEqual({});
      expect(otlp + taken).toBeGreaterThan(0);
      // Every truncated batch except the empty one.
      expect(refused).toBeGreaterThanOrEqual(whole.length - 1);
      await expectUnharmed();
    },
  );
});

describe("a strange batch", () => {
  const levels = "[".repeat(500_000) + "]".repeat(500_000);
  const spanWith = (fields: string) => `[{"traceId":"${newTraceId()}","id":"1",${fields}}]`;

  test.each([
    ["deep nesting beside the span", `"x":${levels}`, 400],
    ["deep nesting in a tag", `"tags":{"a":${levels}}`, 400],
    ["deep nesting that does not end", `"x":${"[".repeat(1_000_000)}`, 400],
    ["NUL in names", `"name":"a\\u0000b","localEndpoint":{"serviceName":"a\\u0000b"},"timestamp":5`, 202],
    ["half of a surrogate pair", `"name":"\\ud800","tags":{"\\udfff":"\\ud800"}`, 202],
    ["names of an object's own", `"tags":{"__proto__":"1","constructor":"2","toString":"3"}`, 202],
    ["keys that come twice", `"name":"a","name":"b","id":"2","tags":{"a":"1","a":"2"}`, 202],
  ])("with %s", async (_, fields, status) => {
    expect((await post(spanWith(fields))).status).toBe(status);
    await expectUnharmed();
  });

  const NUMBERS = [
    "1e400",
    "-1e400",
    "9".repeat(400),
    "18446744073709551615",
    "9007199254740993",
    "-1",
    "0.5",
  ];
  const FIELDS = ["timestamp", "duration", "parentId", "name", "kind"];

  test.each(NUMBERS)("a batch with the number %s in any field is accepted or rejected", async (number) => {
    const now = `"timestamp":${Date.now() * 1000}`;
    const spans = FIELDS.map((field) => spanWith(`"${field}":${number}`));
    spans.push(
      spanWith(`${now},"duration":${number}`),
      spanWith(`${now},"localEndpoint":{"serviceName":"a","port":${number}}`),
      spanWith(`${now},"annotations":[{"timestamp":${number},"value":"a"}]`),
      spanWith(`${now},"tags":{"a":${number}}`),
      `[{"traceId":${number},"id":${number}}]`,
    );
    const { 202: _taken, 400: _refused, ...others } = await postEach(spans.map((it) => Buffer.from(it)));
    expect(others).toEqual({});
    await expectUnharmed();
  });

  test("a span with eight tags of 1 MB comes back complete", async () => {
    const traceId = newTraceId();
    const value = "é".repeat(500_000);
    const tags = Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`tag-${index}`, value + index]));
    expect((await post(JSON.stringify([{ traceId, id: "1", tags }]))).status).toBe(202);
    expect(JSON.parse(await readTrace(traceId))[0].tags).toEqual(tags);
    await expectUnharmed();
  });

  test("a span that contains HTML is returned as JSON that no browser renders as a page", async () => {
    const html = "<script>alert(1)</script><!--";
    const [traceId, serviceName] = [newTraceId(), `${html}${newTraceId()}`];
    const span = {
      name: html,
      timestamp: Date.now() * 1000,
      localEndpoint: { serviceName },
      tags: { [html]: html },
    };
    expect((await post(JSON.stringify([{ traceId, id: "1", ...span }]))).status).toBe(202);
    const query = new URLSearchParams({ serviceName, spanName: html, annotationQuery: html });
    const found = await fetch(`${collector.url}/api/v2/traces?${query}`);
    expect(found.headers.get("content-type")).toBe("application/json");
    expect(found.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await found.json()).toMatchObject([[{ traceId, ...span }]]);
    for (const path of [`trace/${encodeURIComponent(html)}`, `traces?limit=${html}`, html]) {
      const refused = await fetch(`${collector.url}/api/v2/${path}`);
      expect([400, 404]).toContain(refused.status);
      expect(refused.headers.get("content-type")).toBe("text/plain; charset=utf-8");
      expect(refused.headers.get("x-content-type-options")).toBe("nosniff");
    }
  });
});

describe("a query", () => {
  const HOSTILE = [
    "'; DROP TABLE part; --",
    `" OR ""="`,
    "1) UNION SELECT * FROM text --",
    "%00",
    "%ff%fe",
    "../../etc/passwd",
    "9".repeat(400),
    "a=b and ".repeat(1000),
    "x".repeat(10_000),
    "(a+)+$",
    "",
  ];
  const PARAMETERS = {
    "/api/v2/spans": ["serviceName"],
    "/api/v2/remoteServices": ["serviceName"],
    "/api/v2/traces": [
      "serviceName",
      "remoteServiceName",
      "spanName",
      "annotationQuery",
      "minDuration",
      "maxDuration",
      "endTs",
      "lookback",
      "limit",
    ],
    "/api/v2/traceMany": ["traceIds"],
    "/api/v2/dependencies": ["endTs", "lookback"],
    "/api/v2/autocompleteValues": ["key"],
    "/page/traces": ["serviceName", "limit"],
    "/api/runs/00000000000000aa/ledger": ["from", "limit"],
  };

  let counts: StoreCounts;
  beforeEach(() => {
    counts = { ...collector.store.counts() };
  });

  test.each(Object.entries(PARAMETERS))(
    "the query %s accepts or rejects hostile values, and changes nothing",
    async (path, names) => {
      for (const name of names) {
        for (const value of HOSTILE) {
          // Values with % are sent unchanged, whether or not they are valid escapes.
          const text = value.includes("%") ? value : encodeURIComponent(value);
          const response = await fetch(`${collector.url}${path}?${name}=${text}`);
          await response.bytes();
          expect([200, 400, 404], `${name}=${value}`).toContain(response.status);
        }
      }
      expect({ ...collector.store.counts() }).toEqual(counts);
      await expectUnharmed();
    },
  );

  test("a request for the trace of a hostile ID is rejected", async () => {
    for (const value of HOSTILE.filter((it) => it !== "" && !it.startsWith("9"))) {
      const text = value.includes("%") ? value : encodeURIComponent(value);
      expect((await fetch(`${collector.url}/api/v2/trace/${text}`)).status).toBe(400);
    }
  });
});

describe("a body", () => {
  test("a body that inflates to a gigabyte in small pieces is answered with 413, as Zipkin and as OTLP", async () => {
    const piece = gzipSync(Buffer.alloc(MAX_BODY_BYTES / 2, " "));
    const bomb = Buffer.concat([gzipSync("["), ...Array.from({ length: 200 }, () => piece)]);
    expect(bomb.length).toBeLessThan(MAX_BODY_BYTES);
    const headers = { "Content-Encoding": "gzip", "Content-Type": "application/json" };
    expect((await post(bomb, headers)).status).toBe(413);
    const asOtlp = await fetch(`${collector.url}/v1/traces`, { method: "POST", body: bomb, headers });
    expect(asOtlp.status).toBe(413);
    await expectUnharmed();
  });

  test("a body of 100 MB is answered with 413, and the collector keeps serving", async () => {
    expect((await post("[".padEnd(100_000_000))).status).toBe(413);
    await expectUnharmed();
  });
});

test("10,000 idle or half-sent connections do not keep others from being served", async () => {
  const sockets: Bun.Socket<undefined>[] = [];
  const connect = async (index: number) => {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port: collector.port, socket: { data() {} } });
    if (index % 3 === 1) socket.write("POST /api/v2/spans HTTP/1.1\r\nHost: localhost\r\nContent-");
    if (index % 3 === 2)
      socket.write("POST /api/v2/spans HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n[{");
    sockets.push(socket);
  };
  // Some in parallel, because the kernel's accept queue is short.
  for (let first = 0; first < 10_000; first += 250)
    await Promise.all(Array.from({ length: 250 }, (_, index) => connect(first + index)));
  const { spans } = collector.store.counts();
  await expectUnharmed();
  for (const socket of sockets) socket.end();
  await expectUnharmed();
  // The two chains of `expectUnharmed`, and nothing from truncated batches.
  expect(collector.store.counts().spans).toBe(spans + 6);
}, 120_000);

test("on a full disk spans are rejected with 503 and Retry-After, queries work, and the collector recovers", async () => {
  const folder = mkdtempSync(join(tmpdir(), "chain-link-full-"));
  const mount = join(folder, "disk");
  mkdirSync(mount);
  const mounted = Bun.spawnSync(["sh", "-c", `mount -t tmpfs -o size=2m tmpfs ${mount} 2>/dev/null`]);
  if (!mounted.success) {
    rmSync(folder, { recursive: true });
    process.stderr.write("skipped: no small disk may be mounted here\n");
    return;
  }
  const small = startCollector({ host: "127.0.0.1", port: 0, file: join(mount, "spans.db") });
  try {
    const ballast = join(mount, "ballast");
    writeFileSync(ballast, "x".repeat(1024 * 1024));
    const send = (trace: number) =>
      fetch(`${small.url}/api/v2/spans`, {
        method: "POST",
        body: JSON.stringify(makeChain(hexId(trace), 100, Date.now() - 1000)),
      });
    const read = async (trace: number) => (await fetch(`${small.url}/api/v2/trace/${hexId(trace)}`)).status;
    let trace = 1;
    let response = await send(trace);
    while (response.status === 202) response = await send(++trace);
    expect(trace).toBeGreaterThan(1);
    expect(response.status).toBe(503);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    expect([await read(trace - 1), await read(trace)]).toEqual([200, 404]);
    expect((await fetch(`${small.url}/health`)).status).toBe(200);
    rmSync(ballast);
    expect((await send(trace)).status).toBe(202);
    for (let stored = 1; stored <= trace; stored++) expect(await read(stored)).toBe(200);
  } finally {
    await small.stop();
    Bun.spawnSync(["umount", mount]);
    rmSync(folder, { recursive: true });
  }
});
