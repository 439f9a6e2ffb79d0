import { pause } from "./query-pace.ts";
import { isAway, type TraceReader } from "./trace-reader.ts";

const TRIALS = 3;
const PAUSE_MS = 2000;

/**
 * Reads again where a backend that answered before does not answer now, so that a busy backend does not cost the result of a whole run.
 * @throws the error of the last trial
 */
export async function readPatiently<T>(
  read: () => Promise<T>,
  { hasAnswered, signal }: { readonly hasAnswered: boolean; readonly signal: AbortSignal },
): Promise<T> {
  for (let trial = 1; ; trial++) {
    try {
      return await read();
    } catch (error) {
      if (!isAway(error) || !hasAnswered || trial === TRIALS) throw error;
      await pause(PAUSE_MS, signal);
    }
  }
}

/** The part of a reader that judging traces takes, which reads patiently. For a last look, after which nothing is asked again. */
export function makePatient(
  reader: TraceReader,
): Pick<TraceReader, "batchSize" | "read" | "readLedgers" | "name" | "pageOf"> {
  const patient = <T>(read: () => Promise<T>, signal: AbortSignal) =>
    readPatiently(read, { hasAnswered: true, signal });
  const { readLedgers } = reader;
  return {
    name: reader.name,
    batchSize: reader.batchSize,
    pageOf: (traceId) => reader.pageOf(traceId),
    read: (ids, signal) => patient(() => reader.read(ids, signal), signal),
    ...(readLedgers === undefined
      ? {}
      : {
          readLedgers: (run, from, limit, signal) =>
            patient(async () => (await reader.readLedgers?.(run, from, limit, signal)) ?? null, signal),
        }),
  };
}
