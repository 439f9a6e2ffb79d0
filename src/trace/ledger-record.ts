import type { Ledger } from "./ledger.ts";

/** The header of a run's ledger. */
export interface RunHeader {
  /** 16 lower-case hex digits. */
  readonly run: string;
  /** Start of the run, milliseconds since 1970. */
  readonly startMs: number;
  /** Where the requests were sent. */
  readonly url: string;
}

/**
 * One request in the ledger of a run. The load generator writes {@link TIMED_BYTES} for each, in the order in which
 * requests end. A collector's own ledgers end after the first {@link RECORD_BYTES} of them.
 *
 * | at | bytes | little-endian |
 * |---|---|---|
 * | 0 | 4 | sequence number, from 0 |
 * | 4 | 4 | end of the request, milliseconds since `startMs` |
 * | 8 | 8 | digest: low word, high word |
 * | 16 | 4 | count |
 * | 20 | 2 | status of the answer; 0: no answer |
 * | 22 | 1 | unknown, 255 for more |
 * | 23 | 1 | flags: 1 the answer had a ledger, 2 sampled, 4 the entry began a trace of its own, 8 end marker |
 * | 24 | 4 | latency in microseconds, from when the request was due; 0: not known |
 */
export interface LedgerRecord {
  readonly sequence: number;
  /** Milliseconds since the start of the run. */
  readonly endMs: number;
  /** 0 if there was no answer. */
  readonly status: number;
  /** `null` if there was no answer, or it had no ledger. */
  readonly ledger: Ledger | null;
  /** The request asked for its spans to be recorded. */
  readonly isSampled: boolean;
  /** The entry answered in `traceresponse` that it began a trace other than the one sent. */
  readonly isBroken: boolean;
  /** Microseconds from when the request was due to its end, at most 71 minutes. @default not known */
  readonly latencyUs?: number;
}

/** A record without its latency. */
export const RECORD_BYTES = 24;
export const TIMED_BYTES = RECORD_BYTES + 4;
const MAX_LATENCY_US = 0xffff_ffff;
const MAX_UNKNOWN = 255;
const HAS_LEDGER = 1;
const IS_SAMPLED = 2;
const IS_BROKEN = 4;

/** Writes a record at `at`. */
export function writeLedgerRecord(view: DataView, at: number, record: LedgerRecord): void {
  const { ledger } = record;
  view.setUint32(at, record.sequence, true);
  view.setUint32(at + 4, record.endMs, true);
  view.setUint32(at + 8, ledger?.low ?? 0, true);
  view.setUint32(at + 12, ledger?.high ?? 0, true);
  view.setUint32(at + 16, ledger?.count ?? 0, true);
  view.setUint16(at + 20, record.status, true);
  view.setUint8(at + 22, Math.min(MAX_UNKNOWN, ledger?.unknown ?? 0));
  const flags =
    (ledger === null ? 0 : HAS_LEDGER) |
    (record.isSampled ? IS_SAMPLED : 0) |
    (record.isBroken ? IS_BROKEN : 0);
  view.setUint8(at + 23, flags);
}

/** Writes a record with its latency at `at`. */
export function writeTimedRecord(view: DataView, at: number, record: LedgerRecord): void {
  writeLedgerRecord(view, at, record);
  // 0 would say that it is not known.
  const latencyUs = record.latencyUs === undefined ? 0 : Math.max(1, Math.round(record.latencyUs));
  view.setUint32(at + RECORD_BYTES, Math.min(MAX_LATENCY_US, latencyUs), true);
}

export function readTimedRecord(view: DataView, at: number): LedgerRecord {
  const record = readRunRecord(view, at);
  const latencyUs = view.getUint32(at + RECORD_BYTES, true);
  return latencyUs === 0 ? record : { ...record, latencyUs };
}

/** Reads a record without its latency. */
export function readRunRecord(view: DataView, at: number): LedgerRecord {
  const flags = view.getUint8(at + 23);
  const ledger = {
    count: view.getUint32(at + 16, true),
    high: view.getUint32(at + 12, true),
    low: view.getUint32(at + 8, true),
    unknown: view.getUint8(at + 22),
  };
  return {
    sequence: view.getUint32(at, true),
    endMs: view.getUint32(at + 4, true),
    status: view.getUint16(at + 20, true),
    ledger: (flags & HAS_LEDGER) === 0 ? null : ledger,
    isSampled: (flags & IS_SAMPLED) !== 0,
    isBroken: (flags & IS_BROKEN) !== 0,
  };
}
