import type { PropagationResult } from "../../contract/propagation-result.ts";
import { BEGUN_TRACE_HEADER, TRACE_RESPONSE_HEADER } from "../../trace/context.ts";
import { LEDGER_HEADER, parseLedger } from "../../trace/ledger.ts";
import type { TraceReader } from "../backend/trace-reader.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import { awaitsParent, isSettled, judgePropagation, type Observation, traceIdsOf } from "./propagation.ts";
import { newProbes, type Probe } from "./propagation-forms.ts";

interface PropagationOptions {
  /** What was named, in words; `null` for a URL alone. */
  readonly subject: string | null;
  readonly url: string;
  /** What every request carries. Secret. @default nothing */
  readonly headers?: Readonly<Record<string, string>>;
  readonly reader: TraceReader;
  readonly requestsPerForm: number;
  /** Limit of a request. */
  readonly timeoutMs: number;
  /** What has not arrived so long after the last request will not be waited for. */
  readonly maxWaitMs: number;
  readonly queriesPerSecond: number;
  readonly signal: AbortSignal;
}

const POLL_MS = 250;
/** No ledger counts the platform's spans. Envoy and most SDKs export within 5 s. */
const PLATFORM_EXPORT_MS = 6000;

/**
 * Sends each form, waits for the spans, and judges.
 * @throws {UserError} `backend-unreadable`
 */
export async function verifyPropagation(options: PropagationOptions): Promise<PropagationResult> {
  const { subject, url, reader, requestsPerForm, maxWaitMs, signal } = options;
  const startedMs = Date.now();
  let seen: Observation[] = [];
  for (let round = 0; round < requestsPerForm; round++) {
    seen.push(...(await Promise.all(newProbes().map((probe) => send(probe, options)))));
  }
  const endedMs = Date.now();
  const deadlineMs = performance.now() + maxWaitMs;
  const parentsDeadlineMs = performance.now() + Math.min(maxWaitMs, PLATFORM_EXPORT_MS);
  const isDone = (it: Observation) =>
    isSettled(it) && (performance.now() >= parentsDeadlineMs || !awaitsParent(it));
  for (;;) {
    const open = seen.filter((it) => it.traces.size === 0 || !isDone(it));
    const read = await readInto(open, options);
    seen = seen.map((it) => read.get(it) ?? it);
    if (seen.every(isDone) || performance.now() >= deadlineMs) break;
    await Bun.sleep(POLL_MS);
    signal.throwIfAborted();
  }
  const backend = reader.name;
  return judgePropagation(seen, { subject, url, backend, startedMs, endedMs, judgedMs: Date.now() });
}

async function send(
  probe: Probe,
  { url, headers, timeoutMs, signal }: PropagationOptions,
): Promise<Observation> {
  const nothing = { probe, status: null, ledger: null, begun: null, traces: new Map() };
  try {
    const response = await fetch(url, {
      headers: { ...headers, ...probe.headers },
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    await response.arrayBuffer();
    const joined = /^00-([0-9a-f]{32})-/.exec(joinedBy(response.headers) ?? "")?.[1] ?? null;
    const isGoingOn = joined !== null && (joined === probe.traceId || joined === probe.otherTraceId);
    return {
      ...nothing,
      status: response.status,
      ledger: parseLedger(response.headers.get(LEDGER_HEADER) ?? ""),
      begun: isGoingOn ? null : joined,
      isBegunBefore:
        probe.traceId === null && joined !== null && !response.headers.has(TRACE_RESPONSE_HEADER),
    };
  } catch {
    signal.throwIfAborted();
    return nothing;
  }
}

/** The trace that the entry began or joined, in either of two headers. */
function joinedBy(headers: Headers): string | null {
  return headers.get(TRACE_RESPONSE_HEADER) ?? headers.get(BEGUN_TRACE_HEADER);
}

/** Observations with the spans that are there by now. */
async function readInto(
  open: readonly Observation[],
  { reader, queriesPerSecond, signal }: PropagationOptions,
): Promise<ReadonlyMap<Observation, Observation>> {
  const ids = open.flatMap(traceIdsOf);
  const found = new Map<string, readonly SeenSpan[]>();
  for (let from = 0; from < ids.length; from += reader.batchSize) {
    if (from > 0) await Bun.sleep(1000 / queriesPerSecond);
    for (const [id, spans] of await reader.read(ids.slice(from, from + reader.batchSize), signal)) {
      found.set(id, spans);
    }
  }
  return new Map(
    open.map((it) => {
      const traces = new Map(traceIdsOf(it).map((id) => [id, found.get(id) ?? []]));
      return [it, { ...it, traces }];
    }),
  );
}
