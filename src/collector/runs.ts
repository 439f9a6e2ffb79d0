import { addSpan, EMPTY_LEDGER, hashService, type Ledger, type ServiceHash } from "../trace/ledger.ts";
import { isRunId, RunIds } from "../trace/run.ts";
import { RECORD_BYTES, writeRunRecord } from "../trace/run-ledger.ts";
import type { Span } from "../trace/span.ts";
import { HttpError } from "./http-error.ts";
import { Pause } from "./pause.ts";
import type { TraceStore } from "./store.ts";
import { readWholeNumber } from "./trace-query.ts";

/** A run of the load generator, as far as the store has it. */
export interface RunSummary {
  /** 16 hex digits: the first half of the ids of its traces. */
  readonly run: string;
  readonly traces: number;
  readonly spans: number;
}

const MAX_SEQUENCE = 2 ** 32;
const DEFAULT_LIMIT = 100_000;
const MAX_LIMIT = 1_000_000;
const NO_SPANS: readonly Span[] = [];

/** `GET /api/runs`. A trace is of a run when its id is one that the run would have made for one of its first 2^32 requests. */
export function listRuns(store: TraceStore): RunSummary[] {
  const runs = new Map<string, { ids: RunIds; traces: number; spans: number }>();
  for (const { id, spans } of store.traceIds()) {
    if (id.length !== 32 || id.startsWith("0".repeat(16))) continue;
    const runId = id.slice(0, 16);
    const run = runs.get(runId) ?? { ids: new RunIds(runId), traces: 0, spans: 0 };
    const sequence = run.ids.sequenceOf(id);
    if (sequence === null || sequence >= MAX_SEQUENCE) continue;
    run.traces++;
    run.spans += spans;
    runs.set(runId, run);
  }
  return [...runs].map(([run, { traces, spans }]) => ({ run, traces, spans }));
}

/**
 * `GET /api/runs/RUNID/ledger`: a record of `run-ledger.ts` for each request of the range that has spans here, in the order of
 * their numbers. Count and digest are of the stored spans, `unknown` counts copies of them that came and were not kept; of
 * end, status and flags nothing is known. With `of=copies` only requests with copies, and nothing but their number: no span is read.
 */
export async function readRunLedger(
  store: TraceStore,
  runId: string,
  parameters: URLSearchParams,
): Promise<Response> {
  if (!isRunId(runId)) throw new HttpError(400, `Expected a run id of 16 hex digits but found ${runId}`);
  const from = readWholeNumber("from", parameters.get("from") || "0", 0, MAX_SEQUENCE - 1);
  const limit = readWholeNumber("limit", parameters.get("limit") || String(DEFAULT_LIMIT), 1, MAX_LIMIT);
  const ids = new RunIds(runId);
  const services = new Map<string, ServiceHash>();
  const pause = new Pause();
  const view = new DataView(new ArrayBuffer(limit * RECORD_BYTES));
  const isOfCopies = parameters.get("of") === "copies";
  let size = 0;
  for (let sequence = from; sequence < Math.min(from + limit, MAX_SEQUENCE); sequence++) {
    const traceId = ids.traceId(sequence);
    const unknown = store.duplicatesOf(traceId);
    const spans = isOfCopies ? NO_SPANS : store.trace(traceId);
    if (spans !== undefined && (unknown > 0 || !isOfCopies)) {
      const ledger = { ...summarize(spans, services), unknown };
      const record = { sequence, endMs: 0, status: 0, ledger, isSampled: true, isBroken: false };
      writeRunRecord(view, size, record);
      size += RECORD_BYTES;
    }
    if (sequence % 16 === 0) await pause.turn();
  }
  return new Response(new Uint8Array(view.buffer, 0, size), {
    headers: { "Content-Type": "application/octet-stream" },
  });
}

function summarize(spans: readonly Span[], services: Map<string, ServiceHash>): Ledger {
  let ledger = EMPTY_LEDGER;
  for (const { id, parentId, kind, localEndpoint } of spans) {
    const serviceName = localEndpoint?.serviceName ?? "";
    let service = services.get(serviceName);
    if (service === undefined) {
      service = hashService(serviceName);
      services.set(serviceName, service);
    }
    ledger = addSpan(ledger, { id, parentId: parentId ?? null, kind, serviceName }, service);
  }
  return ledger;
}
