import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import type { Span } from "../../../src/trace/span.ts";
import type { TraceReader } from "../../../src/verify/backend/trace-reader.ts";
import { eventually } from "../../helpers/cli.ts";

/** A backend that a `TraceReader` reads. */
export interface ReadBackend {
  readonly url: string;
  /** Stores the spans; they may become readable later. */
  store(spans: readonly Span[]): Promise<void>;
  stop(): Promise<void>;
}

const START_MS = Date.now() - 60_000;
const signal = new AbortController().signal;

/**
 * Declares the tests that every implementation of `TraceReader` must pass.
 * @param open opens a reader at a base URL
 */
export function describeTraceReader(
  name: string,
  start: () => ReadBackend | Promise<ReadBackend>,
  open: (url: string) => TraceReader,
): void {
  describe(name, () => {
    const service = `Cart-${newId(4)}`;
    let backend: ReadBackend;
    let reader: TraceReader;
    beforeAll(async () => {
      backend = await start();
      reader = open(backend.url);
    }, 120_000);
    afterAll(() => backend.stop());

    /** Stores one call for each id and waits until all are readable. */
    async function store(traceIds: readonly string[], startMs = START_MS): Promise<void> {
      await backend.store(traceIds.map((traceId) => callIn(traceId, service, startMs)));
      await eventually(async () =>
        (await reader.read(traceIds, signal)).size === traceIds.length ? true : undefined,
      );
    }

    test("a span is read with every field that is judged", async () => {
      const traceId = newId(16);
      await store([traceId]);
      expect((await reader.read([traceId], signal)).get(traceId)).toMatchObject([
        {
          id: SPAN,
          parentId: PARENT,
          kind: "CLIENT",
          serviceName: service.toLowerCase(),
          remote: "store",
          status: 503,
          attempt: 0,
          startUs: START_MS * 1000,
          endUs: START_MS * 1000 + 300_000,
          captured: null,
        },
      ]);
    });

    test("of as many traces as the reader takes, the stored ones are read and missing ones are left out", async () => {
      const stored = [newId(16), newId(16), `${"0".repeat(16)}${newId(8)}`];
      const missing = Array.from({ length: reader.batchSize - stored.length }, () => newId(16));
      await store(stored);
      const traces = await reader.read([...missing, ...stored], signal);
      expect([...traces.keys()].sort()).toEqual(stored.toSorted());
      expect(await reader.read([newId(16)], signal)).toEqual(new Map());
      expect(await reader.read([], signal)).toEqual(new Map());
    });

    test("the spans of one trace are read together", async () => {
      const traceId = newId(16);
      const call = callIn(traceId, service, START_MS);
      await backend.store([call, { ...call, id: PARENT, parentId: "c".repeat(16), kind: "SERVER" }]);
      const spans = await eventually(async () => {
        const found = (await reader.read([traceId], signal)).get(traceId);
        return found?.length === 2 ? found : undefined;
      });
      expect(spans.map(({ id, kind }) => `${id} ${kind}`).sort()).toEqual([
        `${PARENT} SERVER`,
        `${SPAN} CLIENT`,
      ]);
    });

    test.each<[string, RegExp, () => Response]>([
      ["a web page", /web page/, () => new Response("<html>", { headers: { "Content-Type": "text/html" } })],
      ["an error status", /503 busy/, () => new Response("busy", { status: 503 })],
      ["truncated JSON", /JSON/, () => new Response('[{"traceId":"1')],
      ["JSON of another shape", /expected an? /i, () => new Response('"a string"')],
    ])("%s makes the backend unreadable, and the error names it", async (_, text, answer) => {
      await using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
      const broken = open(`http://127.0.0.1:${server.port}`);
      for (const ids of [[newId(16)], [newId(16), newId(16)]]) {
        await expect(broken.read(ids, signal)).rejects.toMatchObject({
          code: "backend-unreadable",
          message: expect.stringMatching(text),
        });
      }
    });

    test("an answer with other traces than the requested one makes the backend unreadable", async () => {
      const [asked, other] = [newId(16), newId(16)];
      await store([other]);
      await using server = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch: ({ url }) => {
          const { pathname, search } = new URL(url.replaceAll(asked, other));
          return fetch(`${backend.url}${pathname}${search}`);
        },
      });
      await expect(open(`http://127.0.0.1:${server.port}`).read([asked], signal)).rejects.toMatchObject({
        code: "backend-unreadable",
        message: expect.stringContaining("traces that were not requested"),
      });
    });

    test("a backend that does not listen is unreadable, and an interruption is not the backend's error", async () => {
      const closed = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
      const { port } = closed;
      await closed.stop(true);
      const away = open(`http://127.0.0.1:${port}`);
      await expect(away.read([newId(16)], signal)).rejects.toMatchObject({ code: "backend-unreadable" });
      const interruption = new Error("interrupted");
      await expect(reader.read([newId(16)], AbortSignal.abort(interruption))).rejects.toBe(interruption);
    });

    test("services are listed in lower case, and traces are found by service within a time range, if supported", async () => {
      expect(reader.findTraces === undefined).toBe(reader.readServices === undefined);
      if (reader.findTraces === undefined) return;
      const [early, late] = [newId(16), newId(16)];
      await store([early], START_MS - 20_000);
      await store([late], START_MS - 10_000);
      expect(await reader.readServices?.(signal)).toContain(service.toLowerCase());
      const search = {
        service: service.toLowerCase(),
        fromMs: START_MS - 25_000,
        toMs: START_MS - 15_000,
        limit: 5,
      };
      const find = async (more: object) => {
        const found = await reader.findTraces?.({ ...search, ...more }, signal);
        return Array.from(found ?? [], ([id, spans]) => [id, spans.length]);
      };
      expect(await find({})).toEqual([[early, 1]]);
      expect(await find({ fromMs: START_MS - 15_000, toMs: START_MS - 5000 })).toEqual([[late, 1]]);
      expect((await find({ toMs: START_MS - 5000 })).sort()).toEqual(
        [
          [early, 1],
          [late, 1],
        ].sort(),
      );
      expect(await find({ toMs: START_MS - 5000, limit: 1 })).toHaveLength(1);
      expect(await find({ service: "unknown" })).toEqual([]);
    });

    test("the page of a trace is null or a URL that names the trace", () => {
      const traceId = newId(16);
      const page = reader.pageOf(traceId);
      if (page !== null) expect([page.startsWith(backend.url), page.endsWith(traceId)]).toEqual([true, true]);
    });
  });
}

const SPAN = "eee19b7ec3c1b174";
const PARENT = "eee19b7ec3c1b173";

/** A call to `store` that failed with 503. */
function callIn(traceId: string, serviceName: string, startMs: number): Span {
  return {
    traceId,
    id: SPAN,
    parentId: PARENT,
    kind: "CLIENT",
    name: "get",
    timestamp: startMs * 1000,
    duration: 300_000,
    localEndpoint: { serviceName },
    remoteEndpoint: { serviceName: "store" },
    tags: { "http.request.method": "GET", "http.response.status_code": "503" },
  };
}

/** @returns a random id of `bytes` bytes in hex that does not start with a zero */
function newId(bytes: number): string {
  return `a${randomBytes(bytes).toString("hex").slice(1)}`;
}

/** A running Zipkin, or a server with its API, as the contract uses it. */
export function zipkinBackend({ url, stop }: Pick<ReadBackend, "url" | "stop">): ReadBackend {
  return {
    url,
    stop,
    async store(spans) {
      const headers = { "Content-Type": "application/json" };
      const response = await fetch(`${url}/api/v2/spans`, {
        method: "POST",
        headers,
        body: JSON.stringify(spans),
      });
      expect(response.status).toBe(202);
    },
  };
}
