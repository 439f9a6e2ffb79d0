import { randomSource } from "../../lib/random.ts";
import { DEFAULT_CONNECTIONS, type Load, startLoad } from "../../load/generator.ts";
import type { Rate } from "../../load/schedule.ts";
import type { LedgerRecord } from "../../trace/ledger-record.ts";
import type { RunIds } from "../../trace/run.ts";

/** Starts the load of `up`, which samples every request and runs until it is stopped. */
export function startEntryLoad(options: {
  readonly url: string;
  readonly rate: Rate;
  readonly timeoutMs: number;
  readonly seed: string | null;
  readonly ids: RunIds;
  readonly onEnd?: ((record: LedgerRecord) => void) | undefined;
}): Load {
  return startLoad({
    url: options.url,
    method: "GET",
    headers: [],
    body: null,
    pace: { kind: "open", rate: options.rate, arrivals: "constant" },
    connections: DEFAULT_CONNECTIONS,
    timeoutMs: options.timeoutMs,
    warmUpMs: 0,
    durationMs: null,
    maxRequests: null,
    ids: options.ids,
    sampleShare: 1,
    randomOf: randomSource(options.seed),
    ...(options.onEnd && { onEnd: options.onEnd }),
  });
}
