import { errorText, UserError } from "../lib/errors.ts";
import { randomSource } from "../lib/random.ts";
import { DEFAULT_CONNECTIONS, startLoad } from "../load/generator.ts";
import { newRunId, RunIds } from "../trace/run.ts";
import { RunBook } from "../verify/run-book.ts";
import { rateOf } from "./pace-flags.ts";
import type { Setting } from "./settings.ts";
import type { VerifyValues } from "./verify-flags.ts";

/** A run that is judged, which may still be under way. */
export interface JudgedRun {
  readonly book: RunBook;
  /** Every request of it is in the book when it has ended. */
  readonly isWhole: boolean;
  /** Resolves when no more requests come. */
  readonly ended: Promise<unknown>;
  stop(): Promise<unknown>;
  /** Requests that were due and never sent. */
  missed(): number;
}

const DEFAULT_DURATION_MS = 10_000;

/** Sends what the flags say, and keeps the account of it. */
export function sendRun(url: string, flags: VerifyValues, settings: readonly Setting[]): JudgedRun {
  const ids = new RunIds(newRunId());
  const book = new RunBook({ run: ids.runId, startMs: Date.now(), url });
  const load = startLoad({
    pace: { kind: "open", rate: rateOf(flags, settings), arrivals: "constant" },
    timeoutMs: flags.timeout,
    durationMs: flags.duration ?? (flags.requests === null ? DEFAULT_DURATION_MS : null),
    maxRequests: flags.requests,
    sampleShare: flags.sample,
    url,
    method: "GET",
    headers: [],
    body: null,
    connections: DEFAULT_CONNECTIONS,
    warmUpMs: 0,
    ids,
    randomOf: randomSource(null),
    onEnd: (record) => book.add(record),
  });
  return {
    book,
    isWhole: true,
    ended: load.done,
    stop: () => load.stop(),
    missed: () => load.results.missed,
  };
}

/**
 * An earlier run, by its ledger: a file, or the URL of a load generator that serves it.
 * @throws {UserError} `ledger-unreadable`
 */
export async function openRun(from: string): Promise<JudgedRun> {
  const [book, isWhole] = [await openBook(from), await isAtRest(from)];
  return { book, isWhole, ended: Promise.resolve(), stop: async () => {}, missed: () => 0 };
}

/** A load writes to its file each second, so long as requests end. */
const AT_REST_MS = 60_000;

/** Whether nobody adds to an account any more: a load that goes on makes traces that it does not know yet. */
async function isAtRest(from: string): Promise<boolean> {
  if (from.includes("://")) return false;
  return (await Bun.file(from).stat()).mtimeMs < Date.now() - AT_REST_MS;
}

async function openBook(from: string): Promise<RunBook> {
  try {
    if (!from.includes("://")) return RunBook.parse(await Bun.file(from).bytes(), from);
    const url = new URL(from);
    if (url.pathname === "/") url.pathname = "/ledger";
    const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
    if (!response.ok) throw new Error(`${url} answers ${response.status}`);
    if (Number(response.headers.get("chain-link-first-record") ?? 0) > 0) {
      throw new Error(
        "the load generator has let go of its first records; read the file of --ledger instead",
      );
    }
    return RunBook.parse(await response.bytes(), from);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      "ledger-unreadable",
      `cannot read the ledger ${from}: ${errorText(error)}`,
      undefined,
      {
        cause: error,
      },
    );
  }
}
