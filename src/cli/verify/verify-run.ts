import { fetchAs, hideSecrets } from "../../lib/endpoint.ts";
import { errorText, UserError } from "../../lib/errors.ts";
import { randomSource } from "../../lib/random.ts";
import { DEFAULT_CONNECTIONS, startLoad } from "../../load/generator.ts";
import { isRunId, newRunId, RunIds } from "../../trace/run.ts";
import { type LedgerFile, parseLedger } from "../../verify/run/ledger-file.ts";
import { RunLedger } from "../../verify/run/run-ledger.ts";
import type { LoadTarget } from "../common/load-target.ts";
import { rateOf } from "../common/pace-flags.ts";
import { parseUrl, Unfit } from "../shell/flags.ts";
import type { Setting } from "../shell/settings.ts";
import type { VerifyValues } from "./verify-flags.ts";
import { readLedgerSince } from "./verify-ledger.ts";

/** A run to judge, which may still be in progress. */
export interface JudgedRun {
  readonly ledger: RunLedger;
  /** Whether the ledger has every request of the run once it has ended. */
  isWhole(): boolean;
  /** Resolves when the run sends no more requests. */
  readonly ended: Promise<unknown>;
  /** Stops sending; `ended` then waits for requests in flight. */
  stop(): Promise<unknown>;
  /** Number of requests known to be sent. */
  sent(): number;
  /** Removes what was created for the run. */
  close(): Promise<void>;
  /** Number of requests that were due but never sent. */
  missed(): number;
  /** Why the ledger may lack requests of the run, for people; `null` when it is complete. */
  readonly cut: string | null;
  /** Failed requests by kind; `null` when only the ledger knows them. */
  readonly failures: ReadonlyMap<string, number> | null;
}

export const DEFAULT_DURATION_MS = 10_000;

/** Sends the requests that the flags describe, and records their ledger. */
export function sendRun(
  { url, headers }: Pick<LoadTarget, "url" | "headers">,
  flags: VerifyValues,
  settings: readonly Setting[],
): JudgedRun {
  const ids = new RunIds(newRunId());
  const ledger = new RunLedger({ run: ids.runId, startMs: Date.now(), url });
  const load = startLoad({
    pace: { kind: "open", rate: rateOf(flags, settings), arrivals: "constant" },
    timeoutMs: flags.timeout,
    durationMs: flags.duration ?? (flags.requests === null ? DEFAULT_DURATION_MS : null),
    maxRequests: flags.requests,
    sampleShare: flags.sample,
    url,
    method: "GET",
    headers: Object.entries(headers),
    body: null,
    connections: DEFAULT_CONNECTIONS,
    warmUpMs: 0,
    ids,
    randomOf: randomSource(null),
    onEnd: (record) => ledger.add(record),
  });
  return {
    ledger,
    isWhole: () => true,
    ended: load.done,
    stop: () => load.stop(),
    close: async () => {},
    sent: () => load.results.sent,
    missed: () => load.results.missed,
    cut: null,
    failures: load.results.failures,
  };
}

/**
 * Opens an earlier run by its ledger: a file, or the URL of a load generator that serves it. All requests, or those that
 * ended in the last `sinceMs`.
 * @throws {UserError} `ledger-unreadable`
 */
export async function openRun(from: string, sinceMs: number | null): Promise<JudgedRun> {
  if (from.includes("://")) {
    const server = parseUrl(from);
    if (server instanceof Unfit)
      throw new UserError("usage", `--run: expected ${server.expected}, found ${hideSecrets(from)}`);
    const { url } = server;
    const { ledger, isOver } = await readLedgerSince({ name: url, url, fetch: fetchAs(server) }, sinceMs);
    return judgeLedger(ledger, isOver === true && sinceMs === null);
  }
  const { ledger, cut } = await readFile(from);
  return sinceMs === null
    ? judgeLedger(ledger, cut === null, cut)
    : judgeLedger(ledger.since(Date.now() - sinceMs), false);
}

/** Wraps the ledger of a run that has ended. */
export function judgeLedger(ledger: RunLedger, isWhole: boolean, cut: string | null = null): JudgedRun {
  const nothing = async () => {};
  return {
    ledger,
    isWhole: () => isWhole,
    ended: Promise.resolve(),
    stop: nothing,
    close: nothing,
    sent: () => ledger.size,
    missed: () => 0,
    cut,
    failures: null,
  };
}

async function readFile(file: string): Promise<LedgerFile> {
  let bytes: Uint8Array;
  try {
    bytes = await Bun.file(file).bytes();
  } catch (error) {
    throw new UserError(
      "ledger-unreadable",
      `cannot read the ledger ${file}: ${errorText(error)}`,
      isRunId(file) ? "If this is the ID of a run in a cluster, add --release." : undefined,
      { cause: error },
    );
  }
  return parseLedger(bytes, file);
}
