import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import type { Span } from "../../src/trace/span.ts";
import { makeChain, newTraceId } from "./spans.ts";

/**
 * What clients rely on in a server of Zipkin's v2 API. Run over the collector and over a real Zipkin, so that what
 * these tests say stays true of both. Zipkin stores after its 202: whatever is read back is polled for.
 */
export function describeZipkinContract(name: string, urlOf: () => string): void {
  const get = (path: string, init?: RequestInit) => fetch(`${urlOf()}${path}`, init);
  const post = (body: Bun.BodyInit, headers: Record<string, string> = {}) =>
    get("/api/v2/spans", {
      method: "POST",
      body,
      headers: { "Content-Type": "application/json", ...headers },
    });
  const getJson = async (path: string): Promise<unknown> => (await get(path)).json();
  const idsOf = (traces: unknown) => (traces as Span[][]).map((spans) => spans[0]?.traceId);

  /** Posts one span of a service that nothing else has, and waits until it is found. */
  const report = async (fields: Record<string, unknown> = {}) => {
    const traceId = newTraceId();
    const serviceName = `service-${traceId}`;
    const timestamp = Date.now() * 1000 - 1000;
    const span = { traceId, id: "1", name: "get", timestamp, localEndpoint: { serviceName }, ...fields };
    expect((await post(JSON.stringify([span]))).status).toBe(202);
    await eventually(async () => expect((await get(`/api/v2/trace/${traceId}`)).status).toBe(200));
    return { traceId, serviceName, timestamp };
  };

  describe(`${name}, ingest`, () => {
    test.each(["", "[]"])("a body of %j is accepted", async (body) => {
      const response = await post(body);
      expect(response.status).toBe(202);
      expect(await response.text()).toBe("");
    });

    test.each([
      ["{}", /^Expected a JSON_V2 encoded list/],
      [" []", /^Expected a JSON_V2 encoded list/],
      ["[{]", / reading List<Span> from json$/],
      ['[{"traceId":"1"}]', /^Missing.* id.* reading List<Span> from json$/],
      ['[{"traceId":"1","id":"1","tags":{"a":null}}]', / reading List<Span> from json$/],
      ['[{"traceId":"1","id":"1","kind":"FOO"}]', /FOO.* reading List<Span> from json$/],
      ['[{"traceId":"1","id":"1","binaryAnnotations":[]}]', /received: JSON_V1/],
    ])("%s is refused with 400", async (body, message) => {
      const response = await post(body);
      expect(response.status).toBe(400);
      expect((await response.text()).trim()).toMatch(message);
    });

    test("one bad span refuses the batch", async () => {
      const traceId = newTraceId();
      expect((await post(JSON.stringify([{ traceId, id: "1" }, { traceId }]))).status).toBe(400);
      expect((await get(`/api/v2/trace/${traceId}`)).status).toBe(404);
    });

    test("gzip is accepted, and any content type is read as JSON", async () => {
      const traceId = newTraceId();
      const body = gzipSync(JSON.stringify([{ traceId, id: "1" }]));
      const headers = { "Content-Encoding": "gzip", "Content-Type": "text/plain" };
      expect((await post(body, headers)).status).toBe(202);
      await eventually(async () => expect((await get(`/api/v2/trace/${traceId}`)).status).toBe(200));
    });

    test("a span comes back normalised", async () => {
      const traceId = newTraceId();
      const text = `[{"traceId":"${traceId}","id":"1","parentId":"2","kind":"SERVER","name":"GET /Ünï",
        "timestamp":"1700000000000000","duration":5,"extra":[1],"debug":false,"shared":true,
        "localEndpoint":{"serviceName":"Front","ipv4":"::ffff:1.2.3.4","port":"80"},
        "remoteEndpoint":{"serviceName":"","ipv4":"nowhere"},
        "annotations":[{"timestamp":9,"value":"b"},{"timestamp":3,"value":"a"},{"timestamp":3,"value":"a"}],
        "tags":{"z":1.0,"a":"<b>","__proto__":"x"}}]`;
      expect((await post(text)).status).toBe(202);
      await eventually(async () =>
        expect(await getJson(`/api/v2/trace/${traceId}`)).toEqual([
          {
            traceId,
            id: "0000000000000001",
            parentId: "0000000000000002",
            kind: "SERVER",
            name: "get /ünï",
            timestamp: 1_700_000_000_000_000,
            duration: 5,
            localEndpoint: { serviceName: "front", ipv4: "1.2.3.4", port: 80 },
            annotations: [
              { timestamp: 3, value: "a" },
              { timestamp: 9, value: "b" },
            ],
            tags: JSON.parse('{"__proto__":"x","a":"<b>","z":"1.0"}'),
            shared: true,
          },
        ]),
      );
    });

    test("identical spans count once", async () => {
      const chain = makeChain(newTraceId(), 3, Date.now());
      const traceId = chain[0]?.traceId;
      await post(JSON.stringify([...chain, ...chain]));
      await post(JSON.stringify(chain));
      await eventually(async () => expect(await getJson(`/api/v2/trace/${traceId}`)).toHaveLength(5));
    });
  });

  describe(`${name}, queries`, () => {
    test("a trace is found by its id, padded or not, trimmed", async () => {
      const { traceId } = await report();
      for (const id of [traceId, traceId.replace(/^0+/, ""), `%20${traceId}%20`, traceId.padStart(32, "0")]) {
        expect(await getJson(`/api/v2/trace/${id}`)).toHaveLength(1);
      }
    });

    test("an unknown trace is 404 and named by its normalised id", async () => {
      const response = await get("/api/v2/trace/fffe");
      expect(response.status).toBe(404);
      expect(await response.text()).toBe("000000000000fffe not found");
    });

    test.each(["ABC", "xyz", "0", "1".repeat(33)])("trace id %s is 400", async (id) => {
      expect((await get(`/api/v2/trace/${id}`)).status).toBe(400);
    });

    test("services and span names are sorted, and asked for in any case", async () => {
      const { serviceName } = await report();
      await post(
        JSON.stringify(
          ["put", "a"].map((name) => ({ traceId: "1", id: "1", name, localEndpoint: { serviceName } })),
        ),
      );
      await eventually(async () => {
        const names = await getJson(`/api/v2/spans?serviceName=${serviceName.toUpperCase()}`);
        expect(names).toEqual(["a", "get", "put"]);
      });
      const services = (await getJson("/api/v2/services")) as string[];
      expect(services).toContain(serviceName);
      expect(services).toEqual([...services].sort());
      expect(await getJson("/api/v2/spans?serviceName=no-such-service")).toEqual([]);
      expect((await get("/api/v2/spans")).status).toBe(400);
    });

    test("traces are found by service and span name", async () => {
      const { serviceName, traceId } = await report();
      for (const query of [
        "",
        "&spanName=",
        "&spanName=all",
        "&spanName=GET",
        "&limit=1",
        "&lookback=&endTs=",
      ]) {
        const found = await getJson(`/api/v2/traces?serviceName=${serviceName.toUpperCase()}${query}`);
        expect(idsOf(found)).toEqual([traceId]);
      }
      expect(await getJson(`/api/v2/traces?serviceName=${serviceName}&spanName=put`)).toEqual([]);
    });

    test("traces are newest first, at most 10 unless asked for", async () => {
      const base = Date.now() - 60_000;
      const localEndpoint = { serviceName: `service-${newTraceId()}` };
      const spans = Array.from({ length: 12 }, (_, index) => {
        return { traceId: newTraceId(), id: "1", timestamp: (base + index) * 1000, localEndpoint };
      });
      await post(JSON.stringify(spans));
      const newestFirst = spans.map((span) => span.traceId).reverse();
      const find = async (query: string) =>
        idsOf(await getJson(`/api/v2/traces?serviceName=${localEndpoint.serviceName}${query}`));
      await eventually(async () => expect(await find("&limit=20")).toEqual(newestFirst));
      expect(await find("")).toEqual(newestFirst.slice(0, 10));
      expect(await find(`&endTs=${base + 8}&lookback=3`)).toEqual(newestFirst.slice(3, 7));
    });

    test("a trace without timestamps is found by id only, its service nevertheless", async () => {
      const { traceId, serviceName } = await report({ timestamp: null });
      expect(await getJson(`/api/v2/traces?serviceName=${serviceName}`)).toEqual([]);
      expect(await getJson(`/api/v2/trace/${traceId}`)).toHaveLength(1);
      expect(await getJson("/api/v2/services")).toContain(serviceName);
    });

    test.each(["limit", "lookback", "endTs"])("%s has to be a positive whole number", async (name) => {
      for (const value of ["0", "-1", "x", "1.5"]) {
        expect((await get(`/api/v2/traces?${name}=${value}`)).status).toBe(400);
      }
    });

    test("query routes are also served under /zipkin", async () => {
      const { traceId } = await report();
      expect(await getJson(`/zipkin/api/v2/trace/${traceId}`)).toHaveLength(1);
      expect(await getJson("/zipkin/api/v2/services")).toEqual(await getJson("/api/v2/services"));
    });
  });

  describe(`${name}, HTTP`, () => {
    test.each([
      ["HEAD", "/api/v2/services"],
      ["OPTIONS", "/api/v2/services"],
      ["DELETE", "/api/v2/services"],
      ["GET", "/api/v2/services/"],
      ["GET", "/api/v2/trace/"],
      ["GET", "/api/v2/trace"],
      ["GET", "/no/such/path"],
    ])("%s %s is 404", async (method, path) => {
      expect((await get(path, { method })).status).toBe(404);
    });

    test("any origin may read and send", async () => {
      const headers = { Origin: "http://example.com" };
      const response = await get("/api/v2/services", { headers });
      expect(response.headers.get("access-control-allow-origin")).toBe("*");
      const preflight = await get("/api/v2/spans", {
        method: "OPTIONS",
        headers: {
          ...headers,
          "Access-Control-Request-Method": "POST",
          "Access-Control-Request-Headers": "content-type",
        },
      });
      expect(preflight.status).toBe(200);
      expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
      expect(preflight.headers.get("access-control-allow-methods")).toBe("GET,POST");
      expect(preflight.headers.get("access-control-allow-headers")).toContain("content-type");
    });

    test("JSON over 2 KiB is gzipped when accepted", async () => {
      const large = await report({ tags: { text: "x".repeat(3000) } });
      const small = await report();
      const encoding = async (traceId: string, accepted: string) => {
        const headers = { "Accept-Encoding": accepted };
        return (await get(`/api/v2/trace/${traceId}`, { headers })).headers.get("content-encoding");
      };
      expect(await encoding(large.traceId, "gzip")).toBe("gzip");
      expect(await encoding(large.traceId, "identity")).toBeNull();
      expect(await encoding(small.traceId, "gzip")).toBeNull();
      const trace = (await getJson(`/api/v2/trace/${large.traceId}`)) as Span[];
      expect(trace[0]?.tags?.text).toHaveLength(3000);
    });

    test("health is UP", async () => {
      expect(await getJson("/health")).toMatchObject({ status: "UP" });
    });
  });
}

async function eventually(check: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + 3000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await Bun.sleep(20);
    }
  }
}
