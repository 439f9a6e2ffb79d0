import type { Span } from "../../src/trace/span.ts";

/** Returns `number` as an ID of 16 hex digits. */
export function hexId(number: number): string {
  return number.toString(16).padStart(16, "0");
}

let lastTrace = 0;

/** Returns a trace ID that no other test of this process uses. */
export function newTraceId(): string {
  return hexId(Date.now() * 1000 + (lastTrace++ % 1000));
}

/** Makes a span in the shape that a store keeps, with the given fields. */
export function makeSpan(fields: Partial<Span> = {}): Span {
  return { traceId: hexId(1), id: hexId(1), ...fields };
}

/**
 * Makes the 2 × `links` - 1 spans of one request through a chain, as real links record them. `startMs` is milliseconds
 * since 1970.
 */
export function makeChain(traceId: string, links: number, startMs: number): Span[] {
  const spans: Span[] = [];
  for (let link = 0; link < links; link++) {
    const localEndpoint = {
      serviceName: `chain-link-service-${link}`,
      ipv4: "127.0.0.1",
      port: 20_000 + link,
    };
    const timestamp = startMs * 1000 + link * 200;
    const duration = (links - link) * 400;
    spans.push({
      traceId,
      id: hexId(2 * link + 1),
      ...(link > 0 && { parentId: hexId(2 * link) }),
      kind: "SERVER",
      name: "forward",
      timestamp,
      duration,
      localEndpoint,
      tags: tagsOf(20_000 + link, { "http.route": "/forward", "http.target": "/forward" }),
    });
    if (link === links - 1) break;
    spans.push({
      traceId,
      id: hexId(2 * link + 2),
      parentId: hexId(2 * link + 1),
      kind: "CLIENT",
      name: "get",
      timestamp: timestamp + 100,
      duration: duration - 200,
      localEndpoint,
      remoteEndpoint: { serviceName: `chain-link-service-${link + 1}` },
      tags: tagsOf(20_001 + link, { "http.url": `http://127.0.0.1:${20_001 + link}/forward` }),
    });
  }
  return spans;
}

function tagsOf(port: number, more: Record<string, string>): Record<string, string> {
  return {
    ...more,
    "http.method": "GET",
    "http.request.method": "GET",
    "http.response.status_code": "200",
    "http.status_code": "200",
    "server.address": "127.0.0.1",
    "server.port": String(port),
    "url.path": "/forward",
  };
}
