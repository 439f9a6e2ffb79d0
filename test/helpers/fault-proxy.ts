import type { Span } from "../../src/trace/span.ts";
import { decodeZipkinJson } from "../../src/trace/zipkin-json.ts";

/** A proxy between exporters and a backend that changes, drops or delays spans for a test. */
export interface FaultProxy {
  readonly url: string;
  /** Returns the spans to forward instead of a batch; `null` drops the batch after answering 202. */
  edit: (spans: readonly Span[]) => readonly Span[] | null;
  /** Whether it answers 503 and accepts nothing. */
  isDown: boolean;
  /** Delay before a batch is forwarded. The exporter gets its answer at once. */
  delayMs: number;
  /** Number of spans received while it was not down. */
  readonly received: number;
  /** Number of spans that it dropped. */
  readonly forgotten: number;
  /** Spans that the backend accepted. */
  readonly passed: readonly Span[];
  [Symbol.asyncDispose](): Promise<void>;
}

export function startFaultProxy(backendUrl: string): FaultProxy {
  const send = async (spans: readonly Span[]) => {
    const response = await fetch(`${backendUrl}/api/v2/spans`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(spans),
    });
    if (!response.ok) throw new Error(`the backend answers ${response.status}: ${await response.text()}`);
    passed.push(...spans);
  };
  const passed: Span[] = [];
  const counts = { received: 0, forgotten: 0 };
  const late = new Set<Promise<unknown>>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      if (proxy.isDown) return new Response("down", { status: 503 });
      const spans = decodeZipkinJson(await request.bytes());
      counts.received += spans.length;
      const edited = proxy.edit(spans);
      if (edited === null) counts.forgotten += spans.length;
      else if (proxy.delayMs > 0) late.add(Bun.sleep(proxy.delayMs).then(() => send(edited)));
      else if (
        !(await send(edited).then(
          () => true,
          () => false,
        ))
      )
        return new Response("gone", { status: 503 });
      return new Response(null, { status: 202 });
    },
  });
  const proxy: FaultProxy = {
    url: `http://127.0.0.1:${server.port}`,
    edit: (spans) => spans,
    isDown: false,
    passed,
    delayMs: 0,
    get received() {
      return counts.received;
    },
    get forgotten() {
      return counts.forgotten;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(late);
      await server.stop(true);
    },
  };
  return proxy;
}

/** Starts a proxy between two links that changes the headers of requests; `toAnswer` changes those of answers. */
export function startHeaderProxy(
  targetUrl: () => string,
  toRequest: (headers: Headers) => void,
  toAnswer: (headers: Headers) => void = () => {},
): { readonly url: string; [Symbol.asyncDispose](): Promise<void> } {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const headers = new Headers(request.headers);
      headers.delete("host");
      toRequest(headers);
      const response = await fetch(targetUrl() + pathname + search, { headers, redirect: "manual" });
      const answer = new Headers(response.headers);
      for (const name of ["content-encoding", "content-length", "transfer-encoding"]) answer.delete(name);
      toAnswer(answer);
      return new Response(await response.arrayBuffer(), { status: response.status, headers: answer });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}
