import { errorCode } from "../lib/errors.ts";

/**
 * What a socket's `error` handler gets is either a broken TLS session, which has a code and is followed by `close`, or
 * what our own code threw. That is a mistake of ours, which the runtime would keep to itself: it is thrown again where
 * it shows.
 */
export function exposeMistake(error: Error): void {
  if (errorCode(error) !== undefined) return;
  queueMicrotask(() => {
    throw error;
  });
}
