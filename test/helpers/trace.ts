import { expect } from "bun:test";
import type { Span } from "../../src/trace/span.ts";
import { eventually } from "./cli.ts";

/** Resolves to the spans of a trace once the backend (any Zipkin v2 API) has at least `count` of them. */
export async function fetchTrace(backend: string, traceId: string, count: number): Promise<Span[]> {
  return eventually(async () => {
    const response = await fetch(`${backend}/api/v2/trace/${traceId}`);
    if (!response.ok) return undefined;
    const spans = (await response.json()) as Span[];
    return spans.length >= count ? spans : undefined;
  }, 30_000);
}

/** Returns the trace ID that an entry created, from its answer. */
export function traceIdOf(response: Response): string {
  return response.headers.get("traceresponse")?.split("-")[1] ?? "";
}

/**
 * Checks that the spans belong to one request through a plain chain, like the original's: 2N-1 spans in one unbroken
 * line of parents, alternating between SERVER and CLIENT.
 */
export function expectChainTrace(spans: readonly Span[], links: number): void {
  expect(spans).toHaveLength(2 * links - 1);
  const byParent = new Map(spans.map((span) => [span.parentId, span]));
  expect(byParent.size).toBe(spans.length);
  const line: Span[] = [];
  for (let span = byParent.get(undefined); span !== undefined; span = byParent.get(span.id)) line.push(span);
  expect(line.map(({ kind, name, localEndpoint }) => [kind, name, localEndpoint?.serviceName])).toEqual(
    Array.from({ length: 2 * links - 1 }, (_, depth) => [
      depth % 2 === 0 ? "SERVER" : "CLIENT",
      depth === 0 ? "/" : depth % 2 === 0 ? "/forward" : "http get",
      `chain-link-service-${Math.floor(depth / 2)}`,
    ]),
  );
  for (const [depth, span] of line.entries()) {
    const parent = line[depth - 1];
    if (parent === undefined) continue;
    // All links use one clock: a child lies within its parent, except for rounding to microseconds.
    expect(span.timestamp ?? 0).toBeGreaterThanOrEqual((parent.timestamp ?? 0) - 1000);
    expect(span.duration ?? 0).toBeLessThanOrEqual((parent.duration ?? 0) + 1000);
  }
}
