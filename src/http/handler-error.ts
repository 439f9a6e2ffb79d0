import { errorCode } from "../lib/errors.ts";

/**
 * A socket's `error` handler gets two kinds of errors: a broken TLS session, which has a code and is followed by `close`,
 * and exceptions from our own handlers. Those are bugs, which the runtime would swallow: throw them again where they are
 * reported.
 */
export function exposeMistake(error: Error): void {
  if (errorCode(error) !== undefined) return;
  queueMicrotask(() => {
    throw error;
  });
}
