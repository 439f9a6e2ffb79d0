import { addSpan, EMPTY_LEDGER, hashService, type Ledger, type ServiceHash } from "../trace/ledger.ts";
import { RECORD_BYTES, writeLedgerRecord } from "../trace/ledger-record.ts";
import { isRunId, RunIds } from "../trace/run.ts";
import type { Span } from "../trace/span.ts";
import { HttpError } from "./http-error.ts";
import { Pause } from "./pause.ts";
import type { TraceStore } from "./store.ts";
import { readWholeNumber } from "./trace-query.ts";

/** A run of the load generator, according to the stored spans. */
interface RunSummary {
  /** 16 hex digits: the first half of the ids of its traces. */
  readonly run: string;
  readonly traces: number;
  readonly spans: number;
}

const MAX_SEQUENCE = 2 ** 32;
/** Maximum requests in one answer whose spans are read: a few seconds of work. */
const MAX_LIMIT = 100_000;
/** Maximum requests in one answer without reading spans. */
const MAX_COPIES_LIMIT = 1_000_000;
/** Records allocated at a time, because few of the requested ones may exist. */
const RECORDS_AT_ONCE = 1024;
const NO_SPANS: readonly Span[] = [];

/**
 * `GET /api/runs`. A trace is of a run when its id is one that the run would have made for one of its first 2^32
 * requests.
 */
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

/** Ends when the ledger asked for last does. */
let lastLedger: Promise<unknown> = Promise.resolve();

/**
 * `GET /api/runs/RUNID/ledger`: a record of `run-ledger.ts` for each request of the range that has spans here, in the
 * order of their numbers. Count and digest are of the stored spans, `unknown` counts copies of them that came and were
 * not kept; of end, status and flags nothing is known. With `of=copies` only requests with copies, and nothing but
 * their number: no span is read. One is made at a time, as they would only slow each other and everything else;
 * `signal` ends one that nobody waits for.
 */
export async function readRunLedger(
  store: TraceStore,
  runId: string,
  parameters: URLSearchParams,
  signal: AbortSignal,
): Promise<Response> {
  if (!isRunId(runId)) throw new HttpError(400, `Expected a run id of 16 hex digits but found ${runId}`);
  const isOfCopies = parameters.get("of") === "copies";
  const maxLimit = isOfCopies ? MAX_COPIES_LIMIT : MAX_LIMIT;
  const from = readWholeNumber("from", parameters.get("from") || "0", 0, MAX_SEQUENCE - 1);
  const limit = readWholeNumber("limit", parameters.get("limit") || String(MAX_LIMIT), 1, maxLimit);
  const end = Math.min(from + limit, MAX_SEQUENCE);
  const before = lastLedger;
  const ledger = before.then(() =>
    collectRecords(store, new RunIds(runId), { from, end, isOfCopies }, signal),
  );
  lastLedger = ledger.catch(() => {});
  return new Response(new Blob(await ledger), { headers: { "Content-Type": "application/octet-stream" } });
}

interface Range {
  readonly from: number;
  readonly end: number;
  readonly isOfCopies: boolean;
}

async function collectRecords(
  store: TraceStore,
  ids: RunIds,
  { from, end, isOfCopies }: Range,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const services = new Map<string, ServiceHash>();
  const pause = new Pause();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let view = new DataView(new ArrayBuffer(RECORDS_AT_ONCE * RECORD_BYTES));
  let size = 0;
  for (let sequence = from; sequence < end && !signal.aborted; sequence++) {
    const traceId = ids.traceId(sequence);
    const unknown = store.duplicatesOf(traceId);
    const spans = isOfCopies ? NO_SPANS : store.trace(traceId);
    if (spans !== undefined && (unknown > 0 || !isOfCopies)) {
      const ledger = { ...summarize(spans, services), unknown };
      writeLedgerRecord(view, size, {
        sequence,
        endMs: 0,
        status: 0,
        ledger,
        isSampled: true,
        isBroken: false,
      });
      size += RECORD_BYTES;
    }
    if (size === view.byteLength) {
      pieces.push(new Uint8Array(view.buffer));
      [view, size] = [new DataView(new ArrayBuffer(size)), 0];
    }
    if (sequence % 16 === 0) await pause.turn();
  }
  pieces.push(new Uint8Array(view.buffer, 0, size));
  return pieces;
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
