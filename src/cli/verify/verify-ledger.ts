import { apiUrl } from "../../lib/endpoint.ts";
import { errorText, UserError } from "../../lib/errors.ts";
import type { Fetch } from "../../verify/backend/trace-reader.ts";
import { parseLedger } from "../../verify/run/ledger-file.ts";
import type { RunLedger } from "../../verify/run/run-ledger.ts";

/** A load generator that serves its ledger. */
export interface LedgerSource {
  /** Name for people. */
  readonly name: string;
  /** Base URL of its server. */
  readonly url: string;
  readonly fetch: Fetch;
}

/** The records of a run's ledger from some record on, as far as the run has got. */
interface LedgerPart {
  readonly ledger: RunLedger;
  /** The first record that is still stored. */
  readonly firstKept: number;
  /** `null` for an older load generator, which does not say. */
  readonly isOver: boolean | null;
  readonly missed: number;
  /** How far its clock is ahead of ours, in milliseconds. */
  readonly aheadMs: number;
}

const TIMEOUT_MS = 30_000;

/** @throws {UserError} `ledger-unreadable` */
export async function readLedger(
  { name, url, fetch }: LedgerSource,
  from: number,
  signal?: AbortSignal,
): Promise<LedgerPart> {
  try {
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(apiUrl(url, "load", `/ledger${from === 0 ? "" : `?from=${from}`}`), {
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
    if (!response.ok) throw new Error(`it answers ${response.status}`);
    const { headers } = response;
    const state = headers.get("chain-link-run-state");
    const nowMs = Date.now();
    const records = Number(headers.get("chain-link-records") ?? 0);
    const firstKept = Number(headers.get("chain-link-first-record") ?? 0);
    const first = Math.min(records, Math.max(firstKept, from));
    return {
      ledger: parseLedger(await response.bytes(), name, first).ledger,
      firstKept,
      isOver: state === null ? null : state === "over",
      missed: Number(headers.get("chain-link-missed") ?? 0),
      aheadMs: Number(headers.get("chain-link-time") ?? nowMs) - nowMs,
    };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof UserError) throw error;
    const message = `cannot read the ledger of ${name}: ${errorText(error)}`;
    throw new UserError("ledger-unreadable", message, undefined, { cause: error });
  }
}

/**
 * Reads the ledger of a run: all records, or those of requests that ended in the last `sinceMs`.
 * @throws {UserError} `ledger-unreadable`
 */
export async function readLedgerSince(source: LedgerSource, sinceMs: number | null): Promise<LedgerPart> {
  const part = await readLedger(source, 0);
  const { ledger, firstKept, aheadMs } = part;
  const fromMs = sinceMs === null ? Number.NEGATIVE_INFINITY : Date.now() + aheadMs - sinceMs;
  if (firstKept > 0 && (ledger.size === 0 || ledger.endOf(ledger.record(0)) >= fromMs)) {
    throw new UserError(
      "ledger-unreadable",
      `the load generator ${source.name} evicted the first ${firstKept} records of its run`,
      "It stores the last million. Use --since to judge recent requests, or a file that 'load --ledger' writes.",
    );
  }
  return sinceMs === null ? part : { ...part, ledger: ledger.since(fromMs) };
}
