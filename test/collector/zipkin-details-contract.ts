import { describe, expect, test } from "bun:test";
import type { Span } from "../../src/trace/span.ts";
import { eventually } from "../helpers/cli.ts";
import { encodeZipkinProtobuf } from "../helpers/zipkin-protobuf.ts";
import { newTraceId } from "./spans.ts";

type Fields = Record<string, unknown>;

/** Declares the tests of rarely used behavior that our collector and a real Zipkin share. */
export function describeZipkinDetails(name: string, urlOf: () => string): void {
  const post = (body: Bun.BodyInit, path = "/api/v2/spans", type = "application/json") =>
    fetch(`${urlOf()}${path}`, { method: "POST", body, headers: { "Content-Type": type } });
  const get = async (path: string): Promise<unknown> => (await fetch(`${urlOf()}${path}`)).json();
  const readText = (traceId: string) =>
    eventually(async () => {
      const response = await fetch(`${urlOf()}/api/v2/trace/${traceId}`);
      return response.ok ? response.text() : undefined;
    });
  const read = async (traceId: string) => JSON.parse(await readText(traceId)) as Span[];

  /** Posts a span as this text, in which `ID` stands for its trace ID, and returns the stored span. */
  const store = async (text: string): Promise<Span | undefined> => {
    const traceId = newTraceId();
    const response = await post(text.replaceAll("ID", traceId));
    expect([response.status, await response.text()]).toEqual([202, ""]);
    return (await read(traceId))[0];
  };
  const storeWith = (fields: string) => store(`[{"traceId":"ID","id":"1",${fields}}]`);

  describe(`${name}, addresses`, () => {
    const addressOf = async (address: string) => {
      const span = await storeWith(`"localEndpoint":{"serviceName":"a","ipv4":"${address}"}`);
      const { serviceName: _, ...rest } = span?.localEndpoint ?? {};
      return rest;
    };

    test.each([
      ["10.0.0.04", { ipv4: "10.0.0.04" }],
      ["010.0.0.1", { ipv4: "010.0.0.1" }],
      ["::1.2.3.4", { ipv4: "1.2.3.4" }],
      ["::FFFF:1.2.3.04", { ipv4: "1.2.3.04" }],
      ["2001:0db8:0000:0000:0000:0000:0000:0001", { ipv6: "2001:db8::1" }],
      ["2001:DB8:0:0:1:0:0:1", { ipv6: "2001:db8::1:0:0:1" }],
      ["2001:db8:0:1:1:1:1:1", { ipv6: "2001:db8::1:1:1:1:1" }],
      ["2001:0:0:4:0:0:0:0", { ipv6: "2001::4:0:0:0:0" }],
      ["1:2:3:4:5:6:7:0", { ipv6: "1:2:3:4:5:6:7::" }],
      ["0:0:0:0:0:ffff:102:304", { ipv6: "::ffff:102:304" }],
      ["::00001", { ipv6: "::1" }],
      ["0:0:0:0:0:0:0:0", { ipv6: "::" }],
    ])("%s is kept as %j", async (address, endpoint) => {
      expect(await addressOf(address)).toEqual(endpoint);
    });

    test.each([
      "1.2.3",
      "1.2.3.256",
      "0001.2.3.4",
      "1::2::3",
      "12345::",
      "fe80::1%eth0",
      "1::1.2.3.4",
      "1.2.3.4:80",
    ])("%s is not an address and is dropped", async (address) => {
      expect(await addressOf(address)).toEqual({});
    });
  });

  describe(`${name}, JSON that is not quite JSON`, () => {
    test.each([
      ["a line break", '"name":"a\nb"', "a\nb"],
      ["a tab", '"name":"a\tb"', "a\tb"],
      ["another control character", '"name":"a\u0001\u0000b"', "a\u0001\0b"],
      ["a line break after a backslash", '"name":"a\\\nb\\\\"', "a\nb\\"],
      ["an escaped apostrophe", '"name":"it\\\'s"', "it's"],
    ])("%s in a string is accepted", async (_, field, expected) => {
      expect((await storeWith(field))?.name).toBe(expected);
    });

    test("a line break in a key and a value of a tag is accepted", async () => {
      expect((await storeWith('"tags":{"a\nb":"c\r\nd"}'))?.tags).toEqual({ "a\nb": "c\r\nd" });
    });

    test.each(["9223372036854775807", '"9223372036854775807"'])(
      "a duration of %s is accepted and comes back as 2^63 - 1",
      async (duration) => {
        const traceId = newTraceId();
        await post(`[{"traceId":"${traceId}","id":"1","duration":${duration}}]`);
        expect(await readText(traceId)).toContain('"duration":9223372036854775807}');
      },
    );

    test("the lowest negative duration is dropped", async () => {
      expect(await storeWith('"duration":-9223372036854775808')).not.toHaveProperty("duration");
    });
  });

  test(`${name}: protobuf annotations without a time are dropped, in JSON they are kept`, async () => {
    const annotations = [
      { timestamp: 0, value: "never" },
      { timestamp: 5, value: "then" },
    ];
    const span = { id: "0000000000000001", annotations };
    const [json, protobuf] = [newTraceId(), newTraceId()];
    await post(JSON.stringify([{ ...span, traceId: json }]));
    await post(encodeZipkinProtobuf([{ ...span, traceId: protobuf }]), undefined, "application/x-protobuf");
    expect((await read(json))[0]?.annotations).toEqual(annotations);
    expect((await read(protobuf))[0]?.annotations).toEqual([{ timestamp: 5, value: "then" }]);
  });

  describe(`${name}, JSON v1`, () => {
    const endpoint = (serviceName: string) => ({ serviceName, ipv4: "10.0.0.1" });

    test("a shared span becomes a client span and a server span", async () => {
      const traceId = newTraceId();
      const now = Date.now() * 1000;
      const span = {
        traceId,
        id: "2",
        parentId: "1",
        name: "GET",
        timestamp: now,
        duration: 100,
        annotations: [
          { timestamp: now, value: "cs", endpoint: endpoint("Front") },
          { timestamp: now + 10, value: "sr", endpoint: endpoint("Back") },
          { timestamp: now + 20, value: "looked up", endpoint: endpoint("Back") },
          { timestamp: now + 90, value: "ss", endpoint: endpoint("Back") },
          { timestamp: now + 100, value: "cr", endpoint: endpoint("Front") },
        ],
        binaryAnnotations: [
          { key: "http.path", value: "/a", endpoint: endpoint("Front") },
          { key: "sa", value: true, endpoint: endpoint("back") },
        ],
      };
      const response = await post(JSON.stringify([span]), "/api/v1/spans");
      expect([response.status, await response.text()]).toEqual([202, ""]);
      const spans = await read(traceId);
      expect(spans.sort((a, b) => (a.kind ?? "").localeCompare(b.kind ?? ""))).toMatchObject([
        {
          kind: "CLIENT",
          name: "get",
          timestamp: now,
          duration: 100,
          localEndpoint: { serviceName: "front" },
          remoteEndpoint: { serviceName: "back" },
          tags: { "http.path": "/a" },
        },
        {
          kind: "SERVER",
          timestamp: now + 10,
          duration: 80,
          shared: true,
          annotations: [{ timestamp: now + 20, value: "looked up" }],
        },
      ]);
    });

    test("an empty body and an empty list are accepted", async () => {
      for (const body of ["", "[]"]) expect((await post(body, "/api/v1/spans")).status).toBe(202);
    });

    test.each([
      ["{}", /^Expected a JSON_V1 encoded list/],
      ['[{"traceId":"1","id":"1","tags":{}}]', /^Expected a JSON_V1 encoded list, but received: JSON_V2/],
      ['[{"traceId":"1","id":"1","annotations":[{"value":"a"}]}]', / reading List<Span> from json$/],
    ])("%s is rejected with 400", async (body, message) => {
      const response = await post(body, "/api/v1/spans");
      expect(response.status).toBe(400);
      expect((await response.text()).trim()).toMatch(message);
    });
  });

  describe(`${name}, searches in detail`, () => {
    /** Long ago, and far from the spans of other tests. */
    const newTime = () => 1_100_000_000_000 + Math.floor(Math.random() * 1e8) * 1000;
    const send = async (...spans: Fields[]) => {
      expect((await post(JSON.stringify(spans))).status).toBe(202);
      for (const span of spans) await read(String(span.traceId));
    };
    const window = (endTs: number, lookback: number) => `endTs=${endTs}&lookback=${lookback}`;
    const idsIn = async (query: string) =>
      ((await get(`/api/v2/traces?${query}`)) as Span[][]).map(([span]) => span?.traceId);

    test("an annotationQuery ignores spaces around its = and 'and'", async () => {
      const [traceId, time] = [newTraceId(), newTime()];
      await send({ traceId, id: "1", timestamp: time * 1000, tags: { color: "red", "http.path": "a=b" } });
      for (const query of ["color = red", " color= red and  http.path =a=b ", "color=red and color"]) {
        const found = await idsIn(`${window(time, 1)}&annotationQuery=${encodeURIComponent(query)}`);
        expect([query, found]).toEqual([query, [traceId]]);
      }
      expect(await idsIn(`${window(time, 1)}&annotationQuery=color%20=%20blue`)).toEqual([]);
    });

    test("an annotationQuery with an empty key finds only traces with such a tag", async () => {
      const [plain, empty, time] = [newTraceId(), newTraceId(), newTime()];
      await send({ traceId: plain, id: "1", timestamp: time * 1000, tags: { color: "red" } });
      await send({ traceId: empty, id: "1", timestamp: time * 1000, tags: { color: "red", "": "x" } });
      for (const query of ["=", "=x", " and ", "color and ", " and color", "color=red and =x"]) {
        const found = await idsIn(`${window(time, 1)}&annotationQuery=${encodeURIComponent(query)}`);
        expect([query, found]).toEqual([query, [empty]]);
      }
    });

    test("a trace has its root's timestamp, even if another span is earlier", async () => {
      const [traceId, time] = [newTraceId(), newTime()];
      await send(
        { traceId, id: "2", parentId: "1", timestamp: (time - 5000) * 1000 },
        { traceId, id: "1", timestamp: time * 1000 },
        { traceId, id: "3", parentId: "1", timestamp: (time + 5000) * 1000 },
      );
      expect(await idsIn(window(time, 1))).toEqual([traceId]);
      expect(await idsIn(window(time - 5000, 1))).toEqual([]);
      expect(await idsIn(window(time + 5000, 1))).toEqual([]);
    });

    test("dependencies include every trace with a span in the window, whenever its root started", async () => {
      const [traceId, time] = [newTraceId(), newTime()];
      const service = `windowed-${traceId}`;
      await send(
        { traceId, id: "1", kind: "SERVER", timestamp: time * 1000, localEndpoint: { serviceName: service } },
        {
          traceId,
          id: "2",
          parentId: "1",
          kind: "CLIENT",
          timestamp: (time + 60_000) * 1000 + 999,
          localEndpoint: { serviceName: service },
          remoteEndpoint: { serviceName: "callee" },
        },
      );
      const link = { parent: service, child: "callee", callCount: 1 };
      expect(await get(`/api/v2/dependencies?${window(time, 1)}`)).toEqual([link]);
      expect(await get(`/api/v2/dependencies?${window(time + 60_000, 1)}`)).toEqual([link]);
      expect(await get(`/api/v2/dependencies?${window(time + 30_000, 1)}`)).toEqual([]);
    });

    test("64-bit and 128-bit ids with the same end are linked as one trace, even if one half is outside the window", async () => {
      const [low, time] = [newTraceId(), newTime()];
      const service = `mixed-${low}`;
      await send(
        {
          traceId: low,
          id: "1",
          kind: "CLIENT",
          timestamp: time * 1000,
          localEndpoint: { serviceName: service },
        },
        {
          traceId: `00000000000000aa${low}`,
          id: "2",
          parentId: "1",
          kind: "SERVER",
          timestamp: (time + 10_000) * 1000,
          localEndpoint: { serviceName: "callee" },
        },
      );
      const link = { parent: service, child: "callee", callCount: 1 };
      expect(await get(`/api/v2/dependencies?${window(time + 10_000, 20_000)}`)).toEqual([link]);
      expect(await get(`/api/v2/dependencies?${window(time, 1)}`)).toEqual([link]);
    });
  });

  test(`${name}: /metrics and /prometheus have the size of the last message`, async () => {
    const body = `[${'{"traceId":"1","id":"1"},'.repeat(2)}{"traceId":"1","id":"2"}]`;
    await post(body);
    await eventually(async () => {
      const metrics = (await get("/metrics")) as Readonly<Record<string, number>>;
      return metrics["gauge.zipkin_collector.message_spans.http"] === 3 || undefined;
    });
    expect(await get("/metrics")).toMatchObject({
      "gauge.zipkin_collector.message_bytes.http": body.length,
    });
    const text = await (await fetch(`${urlOf()}/prometheus`)).text();
    expect(text).toMatch(/^zipkin_collector_message_spans\{transport="http",?\} 3(\.0)?$/m);
    expect(text).toMatch(
      new RegExp(`^zipkin_collector_message_bytes\\{transport="http",?\\} ${body.length}(\\.0)?$`, "m"),
    );
  });
}
