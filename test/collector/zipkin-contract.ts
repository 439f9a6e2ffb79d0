import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { ProtobufWriter } from "../../src/trace/protobuf.ts";
import type { Span } from "../../src/trace/span.ts";
import { makeChain, newTraceId } from "./spans.ts";

/**
 * Declares the tests of the behavior that clients of Zipkin's v2 API rely on. They run against the collector and a real
 * Zipkin, so that they stay true of both. Zipkin stores spans after its 202, so the tests poll.
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

  /** Posts one span of a unique service and waits until it is found. */
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
    ])("%s is rejected with 400", async (body, message) => {
      const response = await post(body);
      expect(response.status).toBe(400);
      expect((await response.text()).trim()).toMatch(message);
    });

    test("one invalid span rejects the batch", async () => {
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

    test("a span comes back normalized", async () => {
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

    test("an unknown trace is 404 and named by its normalized id", async () => {
      const response = await get("/api/v2/trace/fffe");
      expect(response.status).toBe(404);
      expect(await response.text()).toBe("000000000000fffe not found");
    });

    test.each(["ABC", "xyz", "0", "1".repeat(33)])("trace id %s is 400", async (id) => {
      expect((await get(`/api/v2/trace/${id}`)).status).toBe(400);
    });

    test("services and span names are sorted, and queries ignore case", async () => {
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

    test("traces are newest first, at most 10 by default", async () => {
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

    test("a trace without timestamps is found only by ID, but its service is listed", async () => {
      const { traceId, serviceName } = await report({ timestamp: null });
      expect(await getJson(`/api/v2/traces?serviceName=${serviceName}`)).toEqual([]);
      expect(await getJson(`/api/v2/trace/${traceId}`)).toHaveLength(1);
      expect(await getJson("/api/v2/services")).toContain(serviceName);
    });

    test.each(["limit", "lookback", "endTs"])("%s must be a positive integer", async (name) => {
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

  describe(`${name}, searches`, () => {
    /** Posts two traces of one service; the second one is slower and has an error. */
    const reportPair = async () => {
      const [fast, slow] = [newTraceId(), newTraceId()];
      const serviceName = `service-${fast}`;
      const base = {
        id: "1",
        kind: "CLIENT",
        localEndpoint: { serviceName },
        timestamp: Date.now() * 1000 - 5000,
      };
      const remoteEndpoint = { serviceName: `Remote-${fast}` };
      const child = { ...base, id: "2", parentId: "1", localEndpoint: { serviceName: `other-${fast}` } };
      const spans = [
        { ...base, traceId: fast, name: "get", duration: 1000, tags: { "http.method": "GET", path: "/a b" } },
        { ...child, traceId: fast, name: "sub", duration: 90_000, tags: { other: "1" } },
        {
          ...base,
          traceId: slow,
          name: "put",
          duration: 5000,
          timestamp: base.timestamp + 1000,
          remoteEndpoint,
          tags: { "http.method": "PUT", error: "" },
          annotations: [{ timestamp: base.timestamp, value: "retried" }],
        },
      ];
      await post(JSON.stringify(spans));
      await eventually(async () => expect((await get(`/api/v2/trace/${slow}`)).status).toBe(200));
      await eventually(async () => expect(await getJson(`/api/v2/trace/${fast}`)).toHaveLength(2));
      return { fast, slow, serviceName };
    };

    test("traces are found by remote service, tags, annotations and duration of the service's spans", async () => {
      const { fast, slow, serviceName } = await reportPair();
      const find = async (query: string) =>
        idsOf(await getJson(`/api/v2/traces?serviceName=${serviceName}&${query}`));
      const expectFound = async (query: string, ...ids: string[]) =>
        expect([query, await find(query)]).toEqual([query, ids]);
      await expectFound(`remoteServiceName=REMOTE-${fast}`, slow);
      await expectFound("annotationQuery=error", slow);
      await expectFound("annotationQuery=retried", slow);
      await expectFound("annotationQuery=http.method", slow, fast);
      await expectFound("annotationQuery=http.method=GET", fast);
      await expectFound("annotationQuery=http.method=PUT and error and retried", slow);
      await expectFound("annotationQuery=http.method=GET and error");
      await expectFound(`annotationQuery=${encodeURIComponent("path=/a b")}`, fast);
      await expectFound("annotationQuery=other=1");
      await expectFound("minDuration=1000", slow, fast);
      await expectFound("minDuration=1001", slow);
      await expectFound("minDuration=1000&maxDuration=4000", fast);
      await expectFound("minDuration=5001");
      await expectFound("spanName=put&annotationQuery=error&minDuration=5000", slow);
      await expectFound("spanName=sub");
      expect(await getJson(`/api/v2/remoteServices?serviceName=${serviceName}`)).toEqual([`remote-${fast}`]);
      expect(await getJson("/api/v2/remoteServices?serviceName=none")).toEqual([]);
    });

    test.each([
      "minDuration=0",
      "minDuration=-1",
      "maxDuration=5",
      "minDuration=5&maxDuration=4",
      "minDuration=x",
    ])("%s is 400", async (query) => {
      expect((await get(`/api/v2/traces?${query}`)).status).toBe(400);
    });

    test("several traces are found by their ids", async () => {
      const { fast, slow } = await reportPair();
      const found = (await getJson(`/api/v2/traceMany?traceIds=${fast},${slow},fffe`)) as Span[][];
      expect(new Set(idsOf(found))).toEqual(new Set([fast, slow]));
      for (const ids of ["", fast, `${fast},${fast}`, `${fast},xyz`]) {
        expect((await get(`/api/v2/traceMany?traceIds=${ids}`)).status).toBe(400);
      }
      expect((await get("/api/v2/traceMany")).status).toBe(400);
    });

    test("dependencies are links between services, with their errors", async () => {
      const traceId = newTraceId();
      const name = (link: number) => `link-${link}-${traceId}`;
      const chain = makeChain(traceId, 3, Date.now() - 1000).map((span) => ({
        ...span,
        localEndpoint: { serviceName: name(Number(span.localEndpoint?.serviceName?.at(-1))) },
        ...(span.kind === "CLIENT" && span.parentId === "0000000000000003" && { tags: { error: "" } }),
      }));
      await post(JSON.stringify(chain));
      const links = async (query: string) =>
        ((await getJson(`/api/v2/dependencies?${query}`)) as { parent: string }[])
          .filter(({ parent }) => parent.endsWith(traceId))
          .sort((a, b) => (a.parent < b.parent ? -1 : 1));
      await eventually(async () =>
        expect(await links(`endTs=${Date.now() + 1000}`)).toEqual([
          { parent: name(0), child: name(1), callCount: 1 },
          { parent: name(1), child: name(2), callCount: 1, errorCount: 1 },
        ] as never),
      );
      expect(await links(`endTs=${Date.now() - 100_000}&lookback=1000`)).toEqual([]);
      expect((await get("/api/v2/dependencies")).status).toBe(400);
      expect((await get("/api/v2/dependencies?endTs=0")).status).toBe(400);
    });

    test("protobuf stores the same spans as JSON", async () => {
      const traceId = newTraceId();
      const endpoint = (serviceName: string) => (message: ProtobufWriter) =>
        message
          .text(1, serviceName)
          .hex(2, "01020304")
          .hex(3, "20010db8000000000000000000000001")
          .varint(4, 80);
      const body = new ProtobufWriter()
        .nested(1, (span) =>
          span
            .hex(1, traceId)
            .hex(2, "0000000000000002")
            .hex(3, "0000000000000001")
            .varint(4, 2)
            .text(5, "GET")
            .fixed64(6, 1_700_000_000_000_000n)
            .varint(7, 250)
            .nested(8, endpoint("Front"))
            .nested(9, endpoint("Back"))
            .nested(10, (annotation) => annotation.fixed64(1, 1_700_000_000_000_001n).text(2, "note"))
            .nested(11, (tag) => tag.text(1, "b").text(2, "2"))
            .nested(11, (tag) => tag.text(1, "a").text(2, "1"))
            .varint(12, 1)
            .varint(13, 1),
        )
        .finish();
      expect((await post(body, { "Content-Type": "application/x-protobuf" })).status).toBe(202);
      const address = { ipv4: "1.2.3.4", ipv6: "2001:db8::1", port: 80 };
      await eventually(async () =>
        expect(await getJson(`/api/v2/trace/${traceId}`)).toEqual([
          {
            traceId,
            id: "0000000000000001",
            parentId: "0000000000000002",
            kind: "SERVER",
            name: "get",
            timestamp: 1_700_000_000_000_000,
            duration: 250,
            localEndpoint: { serviceName: "front", ...address },
            remoteEndpoint: { serviceName: "back", ...address },
            annotations: [{ timestamp: 1_700_000_000_000_001, value: "note" }],
            tags: { a: "1", b: "2" },
            debug: true,
            shared: true,
          },
        ]),
      );
      expect((await post("\x0a\xff", { "Content-Type": "application/x-protobuf" })).status).toBe(400);
    });

    test("autocomplete has no keys by default, and requires one", async () => {
      expect(await getJson("/api/v2/autocompleteKeys")).toEqual([]);
      expect(await getJson("/api/v2/autocompleteValues?key=a")).toEqual([]);
      expect((await get("/api/v2/autocompleteValues?key=")).status).toBe(400);
      expect((await get("/api/v2/autocompleteValues")).status).toBe(400);
    });

    test("probes and Lens find their paths", async () => {
      expect(await getJson("/zipkin/config.json")).toMatchObject({ queryLimit: 10, searchEnabled: true });
      expect(await (await get("/prometheus")).text()).toMatch(
        /zipkin_collector_spans_total\{.*transport="http"/,
      );
      expect(await getJson("/metrics")).toHaveProperty(["counter.zipkin_collector.spans.http"]);
      expect((await get("/info")).status).toBe(200);
    });
  });

  describe(`${name}, HTTP`, () => {
    test.each([
      ["OPTIONS", "/api/v2/services"],
      ["DELETE", "/api/v2/services"],
      ["GET", "/api/v2/services/"],
      ["GET", "/api/v2/trace/"],
      ["GET", "/api/v2/trace"],
      ["GET", "/no/such/path"],
    ])("%s %s is 404", async (method, path) => {
      expect((await get(path, { method })).status).toBe(404);
    });

    test("every origin may read and send", async () => {
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
