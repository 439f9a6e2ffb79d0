import type { Span } from "../../src/trace/span.ts";
import type { SpanRow } from "./span-tree.ts";

export interface SkewCorrection {
  /** Microseconds that were added to the start of the row's span. */
  readonly shifts: Float64Array;
  /** Services whose clocks were corrected, with what was added, microseconds. */
  readonly services: ReadonlyMap<string, number>;
}

/**
 * Where a server's span lies outside of the client's span that called it, their clocks differ: the server's part of
 * the trace is moved into the middle of the client's span, as half of what is left of the time went each way.
 * @param rows in the order of `arrangeSpans`: a parent stands before its children
 */
export function correctSkew(rows: readonly SpanRow[], parents: Int32Array): SkewCorrection {
  const shifts = new Float64Array(rows.length);
  const services = new Map<string, number>();
  rows.forEach(({ span }, index) => {
    const parentIndex = parents[index] ?? -1;
    const parent = rows[parentIndex]?.span;
    if (parent === undefined) return;
    const inherited = shifts[parentIndex] ?? 0;
    shifts[index] = inherited;
    const skew = skewBetween(parent, span, inherited);
    if (skew === 0) return;
    shifts[index] = inherited + skew;
    const service = span.localEndpoint?.serviceName;
    if (service !== undefined && !services.has(service)) services.set(service, inherited + skew);
  });
  return { shifts, services };
}

/** What has to be added to the server's time, besides what the client's already got. */
function skewBetween(client: Span, server: Span, inherited: number): number {
  if (client.kind !== "CLIENT" || server.kind !== "SERVER") return 0;
  if (!client.timestamp || !client.duration || !server.timestamp || !server.duration) return 0;
  if (client.localEndpoint?.serviceName === server.localEndpoint?.serviceName) return 0;
  const clientStart = client.timestamp + inherited;
  const serverStart = server.timestamp + inherited;
  // A server that took longer than its client waited went on after a timeout: that says nothing of its clock.
  const room = client.duration - server.duration;
  if (room < 0) return serverStart < clientStart ? clientStart - serverStart : 0;
  if (serverStart >= clientStart && serverStart <= clientStart + room) return 0;
  return clientStart + room / 2 - serverStart;
}
