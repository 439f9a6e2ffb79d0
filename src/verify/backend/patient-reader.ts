import { pause } from "./query-pace.ts";
import { isAway, type TraceReader } from "./trace-reader.ts";

const ATTEMPTS = 3;
const PAUSE_MS = 2000;

/**
 * Retries a read from a backend that has answered before, so that a busy backend does not cost the result of a whole run.
 * @throws the error of the last attempt
 */
export async function readPatiently<T>(
  read: () => Promise<T>,
  { hasAnswered, signal }: { readonly hasAnswered: boolean; readonly signal: AbortSignal },
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await read();
    } catch (error) {
      if (!isAway(error) || !hasAnswered || attempt === ATTEMPTS) throw error;
      await pause(PAUSE_MS, signal);
    }
  }
}

/** Returns the part of a reader that judging needs, with retries. For a last look, after which nothing is read again. */
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
