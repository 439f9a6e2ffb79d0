import { Interrupted, type Reporter, type Work } from "./apply.ts";
import { ReleaseLock } from "./lock.ts";
import { explainingRefusals } from "./rights.ts";
import type { ReleaseStore } from "./store.ts";

export interface WorkOptions {
  readonly timeoutMs: number;
  /** Aborted at the first Ctrl-C. */
  readonly stop: AbortSignal;
  readonly report: Reporter & { onLockWait(holder: string, seconds: number): void };
}

/**
 * Takes the release's lock. Whoever calls lets it go.
 * @throws {UserError} `release-locked`, `forbidden`; {@link Interrupted} when the user stops before we have it
 */
export async function beginWork(
  store: ReleaseStore,
  { timeoutMs, stop, report }: WorkOptions,
): Promise<Work> {
  const { client, namespace, release } = store;
  const lock = await explainingRefusals(client, namespace, () =>
    ReleaseLock.acquire(client, namespace, release, {
      stop,
      onWait: (holder, seconds) => report.onLockWait(holder, seconds),
    }),
  );
  if (lock !== null && !stop.aborted) return { client, namespace, lock, stop, timeoutMs, report };
  await lock?.release();
  throw new Interrupted();
}
