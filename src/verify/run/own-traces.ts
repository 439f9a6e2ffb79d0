import type { OwnTraces, Platform } from "../../contract/platform.ts";
import { RunIds } from "../../trace/run.ts";
import type { QueryPace } from "../backend/query-pace.ts";
import type { TraceReader } from "../backend/trace-reader.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import { edgeText } from "../judge/verdict.ts";
import type { RunLedger } from "./run-ledger.ts";

export interface OwnTracesOptions {
  readonly ledger: RunLedger;
  readonly reader: TraceReader;
  readonly platform: Platform;
  /** End of the last request, in milliseconds since 1970. */
  readonly endMs: number;
  /** Of the traces read. */
  readonly ours: readonly SeenSpan[];
  readonly services: ReadonlySet<string> | null;
  readonly pace: QueryPace;
  readonly signal: AbortSignal;
}

/** Maximum number of services. A shared backend may know hundreds, and each costs a query. */
const MAX_SERVICES = 20;
const MAX_TRACES = 1000;
/** Tolerance for clocks of other machines and for requests at either end of the run. */
const MARGIN_MS = 1000;
/** Share of the traces that must fit one edge, and how close their number must be to the number of its calls. */
const MOST = 0.9;

/**
 * Finds traces of services that are not links and took no part in the run's traces. A proxy whose tracer does
 * not read W3C context, such as Envoy's Zipkin tracer, starts a trace for every call. Other traffic through
 * the proxy does so as well, so the edge and the number must both fit.
 */
export async function findOwnTraces(options: OwnTracesOptions): Promise<OwnTraces[]> {
  const { ledger, reader, platform, ours, services, pace, signal } = options;
  if (reader.readServices === undefined || reader.findTraces === undefined || ledger.size === 0) return [];
  const known = new Set([...(services ?? []), ...ours.map(({ serviceName }) => serviceName)]);
  for (const { service } of platform.rows) known.add(service);
  await pace.turn();
  const others = (await reader.readServices(signal)).filter((name) => name !== "" && !known.has(name));
  const ids = new RunIds(ledger.header.run);
  const fromMs = ledger.header.startMs - MARGIN_MS;
  const toMs = options.endMs + MARGIN_MS;
  const found: OwnTraces[] = [];
  for (const service of others.slice(0, MAX_SERVICES)) {
    await pace.turn();
    const traces = await reader.findTraces({ service, fromMs, toMs, limit: MAX_TRACES }, signal);
    const own = [...traces].flatMap(([traceId, spans]) => {
      const isOwn =
        ids.sequenceOf(traceId) === null && spans.every(({ serviceName }) => !known.has(serviceName));
      const spansOfIt = spans.filter(({ serviceName }) => serviceName === service);
      return isOwn && spansOfIt.length > 0 ? [extentOf(spansOfIt)] : [];
    });
    if (own.length === 0) continue;
    const edge = commonEdge(own, ours);
    const perTrace = edge === null ? 0 : (platform.calls[edge] ?? 0) / Math.max(1, platform.tracesRead);
    const calls = edge === null ? null : Math.round(perTrace * ledger.size);
    const isLimited = traces.size >= MAX_TRACES;
    const isAsMany = calls !== null && own.length >= calls * MOST && own.length * MOST <= calls;
    found.push({
      ...{ service, traces: own.length, isLimited, edge, calls },
      isOfRun: isAsMany || (isLimited && calls !== null && calls >= own.length),
    });
  }
  return found;
}

interface Extent {
  readonly startUs: number;
  readonly endUs: number;
}

function extentOf(spans: readonly SeenSpan[]): Extent {
  return {
    startUs: Math.min(...spans.map(({ startUs }) => startUs)),
    endUs: Math.max(...spans.map(({ endUs }) => endUs)),
  };
}

/**
 * Returns the edge that nearly all traces fit: each lies within the shortest call around it, or around a
 * call of the entry.
 */
function commonEdge(own: readonly Extent[], ours: readonly SeenSpan[]): string | null {
  const calls = ours.filter(({ kind }) => kind === "CLIENT").sort((a, b) => a.startUs - b.startUs);
  const entries = ours.filter(({ kind, parentId }) => kind === "SERVER" && parentId === null);
  const votes = new Map<string, number>();
  for (const extent of own) {
    const edge = edgeAround(extent, calls) ?? entryWithin(extent, entries);
    if (edge !== null) votes.set(edge, (votes.get(edge) ?? 0) + 1);
  }
  const placed = [...votes.values()].reduce((sum, count) => sum + count, 0);
  const [best] = [...votes].sort(([, a], [, b]) => b - a);
  // Only a sample of a long run was read, so most traces cannot lie within it.
  if (best === undefined || best[1] < MOST * placed || placed < Math.min(own.length, entries.length) / 2)
    return null;
  return best[0];
}

function edgeAround({ startUs, endUs }: Extent, calls: readonly SeenSpan[]): string | null {
  let shortest: SeenSpan | null = null;
  for (const call of calls) {
    if (call.startUs > startUs) break;
    if (call.endUs < endUs) continue;
    if (shortest === null || call.endUs - call.startUs < shortest.endUs - shortest.startUs) shortest = call;
  }
  return shortest === null ? null : edgeText({ from: shortest.serviceName, to: shortest.remote ?? "?" });
}

function entryWithin({ startUs, endUs }: Extent, entries: readonly SeenSpan[]): string | null {
  const within = entries.find((entry) => entry.startUs >= startUs && entry.endUs <= endUs);
  return within === undefined ? null : `> ${within.serviceName}`;
}
