import type { RunIds } from "../../trace/run.ts";
import { readPatiently } from "../backend/patient-reader.ts";
import type { QueryPace } from "../backend/query-pace.ts";
import type { TraceReader } from "../backend/trace-reader.ts";
import type { FinalVerdicts } from "./final-verdicts.ts";

interface BackendMemoryOptions {
  readonly reader: TraceReader;
  readonly ids: RunIds;
  readonly pace: QueryPace;
  readonly settled: FinalVerdicts;
  /** Returns the number of restarts so far; `null` if unknown. */
  readonly countRestarts: () => Promise<number | null>;
  readonly signal: AbortSignal;
}

/** Checks whether a backend still has traces that were seen in it. */
export class BackendMemory {
  /** Whether traces that were seen complete have disappeared from a backend that does not report restarts. */
  hasForgotten = false;
  readonly #options: BackendMemoryOptions;
  #restarts = 0;

  constructor(options: BackendMemoryOptions) {
    this.#options = options;
  }

  /**
   * Whether traces may have disappeared since the last check. If the backend does not report restarts, the
   * traces that were seen first are read again, because any restart removes them.
   */
  async isForgotten(): Promise<boolean> {
    const restarts = await this.#options.countRestarts();
    if (restarts === null) {
      const isForgotten = !(await this.#hasEarliest());
      this.hasForgotten ||= isForgotten;
      return isForgotten;
    }
    const isForgotten = restarts > this.#restarts;
    this.#restarts = restarts;
    return isForgotten;
  }

  async #hasEarliest(): Promise<boolean> {
    const { reader, ids, pace, settled, signal } = this.#options;
    const sample = settled.earliest.slice(0, reader.batchSize);
    if (sample.length === 0) return true;
    const traceIds = sample.map(({ sequence }) => ids.traceId(sequence));
    const read = async () => {
      await pace.turn();
      return reader.read(traceIds, signal);
    };
    const traces = await readPatiently(read, { hasAnswered: true, signal });
    return sample.every(
      ({ ledger }, at) => (traces.get(traceIds[at] as string)?.length ?? 0) >= (ledger?.count ?? 0),
    );
  }
}
