import { describe, expect, test } from "bun:test";
import { RunIds } from "../../src/trace/run.ts";
import type { Span } from "../../src/trace/span.ts";
import { graphOf, quickChain, startChain, type TestChainOptions } from "../helpers/chain.ts";
import { openRaw } from "../helpers/raw-http.ts";

const TRACE = "463ac35c9f6413ad48485a3953bb6124";
const PARENT = "a2fb4a1d1a96d312";
const FIVE = ["a", "b", "c", "d", "e"];

/** The spans from the root down, each the child of the one before; fails if they are not such a line. */
function lineOf(spans: readonly Span[]): Span[] {
  const line: Span[] = [];
  const ids = new Set(spans.map(({ id }) => id));
  let next = spans.find(({ parentId }) => parentId === undefined || !ids.has(parentId));
  while (next !== undefined) {
    line.push(next);
    const { id } = next;
    const children = spans.filter(({ parentId }) => parentId === id);
    expect(children.length).toBeLessThanOrEqual(1);
    next = children[0];
  }
  expect(line.length).toBe(spans.length);
  return line;
}

interface Trace {
  readonly spans: readonly Span[];
  readonly response: Response;
}

/** One request with these headers through a chain of five. */
async function traceOf(headers: Record<string, string>, options: TestChainOptions = {}): Promise<Trace> {
  await using chain = startChain(quickChain(...FIVE), options);
  const response = await fetch(chain.url, { headers });
  return { response, spans: await chain.stop() };
}

/** The headers that link `a` sends to its callee when a request has these headers. */
async function sentOn(headers: Record<string, string>, options: TestChainOptions["link"] = {}) {
  let received: Record<string, string> = {};
  const callee = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      received = request.headers.toJSON() as Record<string, string>;
      return new Response();
    },
  });
  await using chain = startChain(quickChain("a", "b"), {
    absent: ["b"],
    urls: { b: `http://127.0.0.1:${callee.port}` },
    link: options,
  });
  await fetch(chain.url, { headers });
  const spans = await chain.stop();
  await callee.stop(true);
  const server = spans.find(({ kind }) => kind === "SERVER");
  const client = spans.find(({ kind }) => kind === "CLIENT");
  return { received, spans, server, client };
}

describe("in a chain of five", () => {
  test("one request makes nine spans, each the child of the one before", async () => {
    const { spans } = await traceOf({});
    const line = lineOf(spans);
    expect(line.map(({ kind, name, localEndpoint }) => [localEndpoint?.serviceName, kind, name])).toEqual([
      ["a", "SERVER", "/"],
      ["a", "CLIENT", "http get"],
      ["b", "SERVER", "/forward"],
      ["b", "CLIENT", "http get"],
      ["c", "SERVER", "/forward"],
      ["c", "CLIENT", "http get"],
      ["d", "SERVER", "/forward"],
      ["d", "CLIENT", "http get"],
      ["e", "SERVER", "/forward"],
    ]);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    expect(spans[0]?.traceId).toMatch(/^[0-9a-f]{32}$/);
    for (const { id } of spans) expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(new Set(spans.map(({ id }) => id)).size).toBe(9);
    expect(line[0]?.parentId).toBeUndefined();
    for (const span of spans) expect(span.debug).toBeUndefined();
  });

  test("each span begins and ends within its parent", async () => {
    const line = lineOf((await traceOf({})).spans);
    expect(Math.abs((line[0]?.timestamp ?? 0) / 1000 - Date.now())).toBeLessThan(10_000);
    for (const [index, span] of line.entries()) {
      const parent = line[index - 1] ?? span;
      const [start = 0, duration = 0] = [span.timestamp, span.duration];
      expect(Number.isInteger(start) && Number.isInteger(duration) && duration > 0).toBe(true);
      expect(start).toBeGreaterThanOrEqual(parent.timestamp ?? 0);
      // Both ends are rounded to microseconds.
      expect(start + duration).toBeLessThanOrEqual((parent.timestamp ?? 0) + (parent.duration ?? 0) + 1);
    }
  });

  test("a SERVER span is named after the path, also at the entry", async () => {
    await using chain = startChain(quickChain("a"));
    await fetch(`${chain.url}/forward?x=1`);
    await fetch(`${chain.url}//`);
    await chain.backend.waitForSpans(2);
    expect((await chain.stop()).map(({ name }) => name)).toEqual(["/forward", "/"]);
  });

  test("a span has the link's own service name in lower case, whatever X-Current-Service says", async () => {
    await using chain = startChain(quickChain("Alpha", "b"));
    await fetch(chain.url, { headers: { "X-Current-Service": "b" } });
    expect((await chain.stop()).map(({ localEndpoint }) => localEndpoint?.serviceName)).toEqual(["alpha"]);
  });
});

describe("a span", () => {
  const tagsOf = async (tagSet: "minimal" | "default" | "full") => {
    await using chain = startChain(quickChain("a", "b"), { link: { tagSet } });
    await fetch(`${chain.url}/?x=1`, { headers: { "User-Agent": "tester/1", Host: "shop:8080" } });
    const spans = await chain.stop();
    const port = new URL(chain.link("b").url).port;
    const [server, client] = lineOf(spans);
    return { server, client, port, ownPort: new URL(chain.url).port };
  };

  test("has the four tags of the original with the tag set minimal", async () => {
    const { server, client, port } = await tagsOf("minimal");
    expect(server?.tags).toEqual({
      "http.method": "GET",
      "http.target": "/?x=1",
      "http.route": "/",
      "http.status_code": "200",
    });
    expect(client?.tags).toEqual({
      "http.method": "GET",
      "http.url": `http://127.0.0.1:${port}/forward`,
      "http.status_code": "200",
    });
  });

  test("also has OpenTelemetry's tags with the tag set default", async () => {
    const { server, client, port } = await tagsOf("default");
    expect(server?.tags).toEqual({
      "http.method": "GET",
      "http.target": "/?x=1",
      "http.route": "/",
      "http.status_code": "200",
      "http.request.method": "GET",
      "url.path": "/",
      "http.response.status_code": "200",
      "server.address": "shop",
      "server.port": "8080",
    });
    expect(client?.tags).toEqual({
      "http.method": "GET",
      "http.url": `http://127.0.0.1:${port}/forward`,
      "http.status_code": "200",
      "http.request.method": "GET",
      "http.response.status_code": "200",
      "server.address": "127.0.0.1",
      "server.port": port,
    });
  });

  test("also has all other tags of the original with the tag set full", async () => {
    const { server, client, ownPort } = await tagsOf("full");
    expect(server?.tags).toMatchObject({
      "http.scheme": "http",
      "http.flavor": "1.1",
      "http.host": "shop:8080",
      "http.server_name": "shop",
      "http.user_agent": "tester/1",
      "net.host.port": ownPort,
      "net.peer.ip": "127.0.0.1",
      "net.peer.port": expect.stringMatching(/^\d+$/),
    });
    const common = {
      "service.name": "a",
      "telemetry.sdk.language": "nodejs",
      "telemetry.sdk.name": "chain-link",
      "telemetry.sdk.version": "0.0.0-test",
      "otel.library.name": "chain-link",
      "otel.library.version": "0.0.0-test",
      "otel.scope.name": "chain-link",
      "otel.scope.version": "0.0.0-test",
    };
    expect(server?.tags).toMatchObject(common);
    expect(client?.tags).toMatchObject(common);
  });

  test("names the link's port, and as its peer the caller's address or the callee's name", async () => {
    const { server, client, ownPort } = await tagsOf("minimal");
    expect(server?.localEndpoint).toEqual({ serviceName: "a", port: Number(ownPort) });
    expect(server?.remoteEndpoint).toEqual({ ipv4: "127.0.0.1", port: expect.any(Number) });
    expect(client?.remoteEndpoint).toEqual({ serviceName: "b" });
  });

  test("of a call to the default port has port 80", async () => {
    const { client } = await sentOn({}, { resolve: () => "http://no-such-service.invalid" });
    expect(client?.tags).toMatchObject({
      "server.address": "no-such-service.invalid",
      "server.port": "80",
    });
  });

  test("of a rejected SERVER request has no error tag, and without a route is named after the method", async () => {
    await using chain = startChain(quickChain("a"));
    await fetch(chain.url, { headers: { "X-Current-Service": "nobody" } });
    await fetch(`${chain.url}/nowhere`);
    await fetch(chain.url, { method: "POST" });
    await fetch(`${chain.url}/readiness`);
    await fetch(`${chain.url}/metrics`);
    const spans = await chain.stop();
    expect(spans.map(({ name, tags }) => [name, tags?.["http.status_code"], tags?.["http.route"]])).toEqual([
      ["/", "400", "/"],
      ["http get", "404", undefined],
      ["http post", "405", undefined],
    ]);
    for (const { tags } of spans) expect(tags?.error).toBeUndefined();
  });
});

test("has the server of an absolute request target instead of Host", async () => {
  for (const tagSet of ["default", "full"] as const) {
    await using chain = startChain(quickChain("a"), { link: { tagSet } });
    const connection = await openRaw(chain.url);
    connection.socket.write("GET http://b:81/?c HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n");
    expect(await connection.closed).toStartWith("HTTP/1.1 200 ");
    const [span] = await chain.stop();
    expect(span?.tags).toMatchObject({ "server.address": "b", "server.port": "81", "http.target": "/?c" });
    if (tagSet === "full") expect(span?.tags?.["http.host"]).toBe("b:81");
  }
});

describe("sampling", () => {
  const UNSAMPLED: Record<string, string>[] = [
    { traceparent: `00-${TRACE}-${PARENT}-00` },
    { b3: `${TRACE}-${PARENT}-0` },
    { b3: "0" },
    { "X-B3-TraceId": TRACE, "X-B3-SpanId": PARENT, "X-B3-Sampled": "0" },
    { "X-B3-Sampled": "0" },
  ];

  test.each(UNSAMPLED)("%j prevents spans in every link", async (headers) => {
    const { spans, response } = await traceOf(headers);
    expect(response.status).toBe(200);
    expect(spans).toEqual([]);
  });

  test.each(UNSAMPLED)("%j is passed on as not sampled", async (headers) => {
    const { received } = await sentOn(headers);
    if ("traceparent" in headers) expect(received.traceparent).toEndWith("-00");
    else if ("b3" in headers) expect(received.b3).toMatch(/^[0-9a-f]{32}-[0-9a-f]{16}-0/);
    else expect(received["x-b3-sampled"]).toBe("0");
  });

  const DEBUG: Record<string, string>[] = [
    { b3: `${TRACE}-${PARENT}-d` },
    { b3: "d" },
    { "X-B3-TraceId": TRACE, "X-B3-SpanId": PARENT, "X-B3-Flags": "1" },
    { "X-B3-Flags": "1", "X-B3-Sampled": "0" },
    { traceparent: `00-${TRACE}-${PARENT}-01`, "X-B3-Flags": "1" },
  ];

  test.each(DEBUG)("%j sets the debug flag of every span, whatever the sampler decides", async (headers) => {
    const { spans } = await traceOf(headers, { link: { sampler: () => false } });
    expect(spans.length).toBe(9);
    for (const span of spans) expect(span.debug).toBe(true);
  });

  test("the sampler decides without a context or without a decision in it", async () => {
    const never = { link: { sampler: () => false } };
    expect((await traceOf({}, never)).spans).toEqual([]);
    expect((await traceOf({ b3: `${TRACE}-${PARENT}` }, never)).spans).toEqual([]);
    expect((await traceOf({ traceparent: `00-${TRACE}-${PARENT}-01` }, never)).spans.length).toBe(9);
  });

  test("the decision of the first link is passed on", async () => {
    const { received, spans } = await sentOn({}, { sampler: () => false });
    expect(received.traceparent).toEndWith("-02");
    expect(spans).toEqual([]);
  });
});

describe("a request with", () => {
  test("W3C headers continues the trace: the caller is the SERVER span's parent, the CLIENT span the callee's", async () => {
    const { received, server, client } = await sentOn({
      traceparent: `00-${TRACE}-${PARENT}-01`,
      tracestate: "vendor=opaque",
    });
    expect(server).toMatchObject({ traceId: TRACE, parentId: PARENT });
    expect(client).toMatchObject({ traceId: TRACE, parentId: server?.id });
    expect(received.traceparent).toBe(`00-${TRACE}-${client?.id}-01`);
    expect(received.tracestate).toBe("vendor=opaque");
    expect(received).not.toContainAnyKeys(["b3", "x-b3-traceid"]);
  });

  test("the B3 single header continues the trace and makes calls with it", async () => {
    const { received, server, client } = await sentOn({ b3: `${TRACE}-${PARENT}-1` });
    expect(server).toMatchObject({ traceId: TRACE, parentId: PARENT });
    expect(received.b3).toBe(`${TRACE}-${client?.id}-1-${server?.id}`);
    expect(received).not.toContainAnyKeys(["traceparent", "x-b3-traceid"]);
  });

  test("the B3 multi headers continues the trace and makes calls with them", async () => {
    const { received, server, client } = await sentOn({
      "X-B3-TraceId": TRACE,
      "X-B3-SpanId": PARENT,
      "X-B3-ParentSpanId": "0000000000000001",
      "X-B3-Sampled": "1",
    });
    expect(server).toMatchObject({ traceId: TRACE, parentId: PARENT });
    expect(received).toMatchObject({
      "x-b3-traceid": TRACE,
      "x-b3-spanid": client?.id ?? "",
      "x-b3-parentspanid": server?.id ?? "",
      "x-b3-sampled": "1",
    });
    expect(received).not.toContainAnyKeys(["traceparent", "b3"]);
  });

  test("contradicting formats makes calls with the same context in all of them", async () => {
    const { received, client } = await sentOn({
      traceparent: `00-${TRACE}-${PARENT}-01`,
      b3: "0",
      "X-B3-TraceId": "1".repeat(32),
      "X-B3-SpanId": "2".repeat(16),
      "X-B3-Sampled": "0",
    });
    expect(received.traceparent).toBe(`00-${TRACE}-${client?.id}-01`);
    expect(received.b3).toStartWith(`${TRACE}-${client?.id}-1-`);
    expect(received["x-b3-traceid"]).toBe(TRACE);
    expect(received["x-b3-spanid"]).toBe(client?.id ?? "");
    expect(received["x-b3-sampled"]).toBe("1");
  });

  test("an unsampled context makes calls with that trace id and a new parent id", async () => {
    const { received } = await sentOn({ traceparent: `00-${TRACE}-${PARENT}-00` });
    expect(received.traceparent).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
    expect(received.traceparent).not.toContain(PARENT);
  });

  test("a trace id of 64 bits keeps it in spans and in B3", async () => {
    const short = TRACE.slice(16);
    const { received, server } = await sentOn({ b3: `${short}-${PARENT}-1` });
    expect(server?.traceId).toBe(short);
    expect(received.b3).toStartWith(`${short}-`);
  });

  test.each([
    { traceparent: "junk" },
    { b3: "junk" },
    { "X-B3-TraceId": "junk", "X-B3-SpanId": PARENT },
    { traceparent: `00-${"0".repeat(32)}-${PARENT}-01` },
  ] as Record<string, string>[])("%j begins a new trace", async (headers) => {
    const { spans, response } = await traceOf(headers);
    const [root] = lineOf(spans);
    expect(spans.length).toBe(9);
    expect(root?.parentId).toBeUndefined();
    expect(response.headers.get("traceresponse")).toBe(`00-${root?.traceId}--03`);
  });

  test("no context makes calls with the configured formats", async () => {
    const { received } = await sentOn({}, { propagators: ["b3multi", "b3"] });
    expect(received).toContainAllKeys([
      ...["x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "b3"],
      ...["x-current-service", "host"],
    ]);
  });

  test("baggage and x-request-id passes them on unchanged", async () => {
    const { received } = await sentOn({ baggage: "a=1,b=%20", "X-Request-Id": "42" });
    expect(received).toMatchObject({ baggage: "a=1,b=%20", "x-request-id": "42" });
  });

  test("the context of a caller has all spans of the chain in that trace", async () => {
    const { spans } = await traceOf({ traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: "a=1" });
    expect(lineOf(spans)[0]?.parentId).toBe(PARENT);
    expect(spans.every(({ traceId }) => traceId === TRACE)).toBe(true);
  });
});

describe("a parent id that equals the low half of the trace id", () => {
  test("makes the link's span the root if the trace id is that of a run, because a load generator records no span", async () => {
    for (const tracestate of [{}, { tracestate: "a=1" }]) {
      const id = new RunIds("463ac35c9f6413ad").traceId(3);
      const { spans, response } = await traceOf({
        traceparent: `00-${id}-${id.slice(16)}-01`,
        ...tracestate,
      });
      const line = lineOf(spans);
      expect(line[0]).toMatchObject({ traceId: id, kind: "SERVER" });
      expect(line[0]?.parentId).toBeUndefined();
      expect(response.headers.get("traceresponse")).toBeNull();
    }
  });

  test("is a normal parent with other trace ids, because Brave's root spans have such ids", async () => {
    for (const tracestate of [{}, { tracestate: "a=1" }]) {
      const { spans } = await traceOf({ traceparent: `00-${TRACE}-${TRACE.slice(16)}-01`, ...tracestate });
      expect(lineOf(spans)[0]?.parentId).toBe(TRACE.slice(16));
    }
  });

  test("is a normal parent in B3, because root spans of Zipkin's tracers have such ids", async () => {
    const { server } = await sentOn({ b3: `${TRACE}-${TRACE.slice(16)}-1` });
    expect(server?.parentId).toBe(TRACE.slice(16));
  });
});

describe("traceresponse", () => {
  test("is set by the link that began the trace, sampled or not", async () => {
    const { spans, response } = await traceOf({});
    expect(response.headers.get("traceresponse")).toBe(`00-${spans[0]?.traceId}--03`);
    const unsampled = await traceOf({}, { link: { sampler: () => false } });
    expect(unsampled.response.headers.get("traceresponse")).toMatch(/^00-[0-9a-f]{32}--02$/);
  });

  test("is not set for a trace that a caller began", async () => {
    const { response } = await traceOf({ traceparent: `00-${TRACE}-${PARENT}-01` });
    expect(response.headers.get("traceresponse")).toBeNull();
  });
});

test("the spans of a call graph form one tree in which CLIENT spans are children of the SERVER span", async () => {
  await using chain = startChain(
    graphOf({ a: { calls: ["b", ["c", "d"]] }, b: { calls: ["d"] }, c: {}, d: {} }),
  );
  await fetch(chain.url);
  const spans = await chain.stop();
  expect(spans.length).toBe(9);
  const byId = new Map(spans.map((span) => [span.id, span]));
  const edges = spans
    .filter(({ kind, parentId }) => kind === "SERVER" && parentId !== undefined)
    .map((span) => {
      const client = byId.get(span.parentId ?? "");
      expect(client?.kind).toBe("CLIENT");
      expect(byId.get(client?.parentId ?? "")?.kind).toBe("SERVER");
      expect(client?.remoteEndpoint?.serviceName).toBe(span.localEndpoint?.serviceName ?? "");
      return `${client?.localEndpoint?.serviceName}-${span.localEndpoint?.serviceName}`;
    });
  expect(edges.sort()).toEqual(["a-b", "a-c", "a-d", "b-d"]);
});

test("SERVER spans have the context headers of a request as tags only if the request asks for it", async () => {
  const traceparent = `00-${TRACE}-${PARENT}-01`;
  const headers = { traceparent, tracestate: "a=1,b=2", baggage: "k=v", "x-request-id": "r" };
  const asked = await traceOf({ ...headers, "chain-link-capture": "1" });
  const servers = lineOf(asked.spans).filter(({ kind }) => kind === "SERVER");
  expect(servers.map(({ tags }) => tags?.["http.request.header.tracestate"])).toEqual(
    FIVE.map(() => "a=1,b=2"),
  );
  expect(servers[4]?.tags).toMatchObject({
    "http.request.header.chain-link-capture": "1",
    "http.request.header.baggage": "k=v",
    "http.request.header.x-request-id": "r",
  });
  expect(servers[0]?.tags?.["http.request.header.traceparent"]).toBe(traceparent);
  const { spans } = await traceOf(headers);
  expect(JSON.stringify(spans)).not.toContain("http.request.header");
});
