import type { Span } from "../../src/trace/span.ts";

/** One received POST. */
export interface Delivery {
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly atMs: number;
}

/** Returns the backend's answer to a delivery; the backend accepts the spans if it is a 2xx. */
export type Reaction = (delivery: Delivery, index: number) => Response | Promise<Response>;

export interface Backend {
  readonly url: string;
  readonly deliveries: readonly Delivery[];
  /** Spans of the accepted deliveries in Zipkin JSON. */
  readonly spans: readonly Span[];
  react: Reaction;
  /** Resolves to all accepted spans once there are at least `count`. */
  waitForSpans(count: number): Promise<readonly Span[]>;
  /** Resolves to all deliveries once there are at least `count`. */
  waitForDeliveries(count: number): Promise<readonly Delivery[]>;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export function accept(): Response {
  return new Response(null, { status: 202 });
}

/** Starts a receiver of Zipkin JSON, on a free port unless one is given, whose answers a test decides. */
export function startBackend(options: { readonly react?: Reaction; readonly port?: number } = {}): Backend {
  const deliveries: Delivery[] = [];
  const spans: Span[] = [];
  const waiting = new Set<() => void>();
  const until = async (isDone: () => boolean) => {
    while (!isDone()) await new Promise<void>((resolve) => waiting.add(resolve));
  };
  const wake = () => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: options.port ?? 0,
    idleTimeout: 0,
    async fetch(request) {
      const delivery = {
        path: new URL(request.url).pathname,
        headers: request.headers,
        body: await request.bytes(),
        atMs: performance.now(),
      };
      deliveries.push(delivery);
      wake();
      const response = await backend.react(delivery, deliveries.length - 1);
      if (response.ok && delivery.headers.get("content-type") === "application/json") {
        const content: unknown = JSON.parse(new TextDecoder().decode(delivery.body));
        if (Array.isArray(content)) spans.push(...(content as Span[]));
        wake();
      }
      return response;
    },
  });
  const backend: Backend = {
    url: `http://127.0.0.1:${server.port}`,
    deliveries,
    spans,
    react: options.react ?? accept,
    async waitForSpans(count) {
      await until(() => spans.length >= count);
      return spans;
    },
    async waitForDeliveries(count) {
      await until(() => deliveries.length >= count);
      return deliveries;
    },
    stop: () => server.stop(true),
    [Symbol.asyncDispose]: () => server.stop(true),
  };
  return backend;
}
