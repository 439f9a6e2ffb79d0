import { apiUrl } from "../../lib/endpoint.ts";
import { errorText, UserError } from "../../lib/errors.ts";
import type { Fetch } from "../../verify/backend/trace-reader.ts";
import { parseLedger } from "../../verify/run/ledger-file.ts";
import type { RunLedger } from "../../verify/run/run-ledger.ts";

/** A load generator that serves its account. */
export interface LedgerSource {
  /** What it is, for people. */
  readonly name: string;
  /** Of its server. */
  readonly url: string;
  readonly fetch: Fetch;
}

/** The account of a run from some record on, as far as there is one by now. */
export interface LedgerPart {
  readonly book: RunLedger;
  /** The first record that is still there. */
  readonly firstKept: number;
  /** `null`: a load generator of an older version, which does not say. */
  readonly isOver: boolean | null;
  readonly missed: number;
  /** How much its clock is ahead of ours, in milliseconds. */
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
      book: parseLedger(await response.bytes(), name, first).book,
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
 * The account of a run: all of it, or of the requests that ended in the last `sinceMs`.
 * @throws {UserError} `ledger-unreadable`
 */
export async function readAccount(source: LedgerSource, sinceMs: number | null): Promise<LedgerPart> {
  const part = await readLedger(source, 0);
  const { book, firstKept, aheadMs } = part;
  const fromMs = sinceMs === null ? Number.NEGATIVE_INFINITY : Date.now() + aheadMs - sinceMs;
  if (firstKept > 0 && (book.size === 0 || book.endOf(book.record(0)) >= fromMs)) {
    throw new UserError(
      "ledger-unreadable",
      `the load generator ${source.name} has let go of the first ${firstKept} records of its run`,
      "It keeps the last million: judge the latest with --since, or a file that 'load --ledger' writes.",
    );
  }
  return sinceMs === null ? part : { ...part, book: book.since(fromMs) };
}
