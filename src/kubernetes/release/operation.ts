import type { ApiClient } from "../api/client.ts";
import { ReleaseLock } from "./lock.ts";
import type { Action } from "./plan.ts";
import { explainingRefusals } from "./rights.ts";
import type { ReleaseStore } from "./store.ts";

/** Everything that a change of the cluster needs. */
export interface ReleaseOperation {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly lock: ReleaseLock;
  /** Aborted at the first Ctrl-C: requests in flight are finished, and no new ones begin. */
  readonly stop: AbortSignal;
  /** Maximum time for a replaced object to be deleted. */
  readonly timeoutMs: number;
  readonly report: Reporter;
}

/** Receives every step, for output only. */
export interface Reporter {
  onNamespaceCreated(name: string): void;
  onApplied(action: Action, kind: string, name: string): void;
  onDeleted(kind: string, name: string): void;
}

/** The user asked to stop. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

interface OperationOptions {
  readonly timeoutMs: number;
  /** Aborted at the first Ctrl-C. */
  readonly stop: AbortSignal;
  readonly report: Reporter & { onLockWait(holder: string, seconds: number): void };
}

export interface RemoveOptions {
  readonly wait: boolean;
  /** Also deletes the storage that a release otherwise leaves. */
  readonly withStorage: boolean;
  readonly timeoutMs: number;
  readonly stop: AbortSignal;
  readonly report: Reporter & {
    onLockWait(holder: string, seconds: number): void;
    /** Receives the pods that are still terminating, repeatedly; an empty list when all have ended. */
    onEnding(pods: readonly string[]): void;
  };
}

/**
 * Takes the release's lock. The caller must release it.
 * @throws {UserError} `release-locked`, `forbidden`; {@link Interrupted} if the user stops before the lock is taken
 */
export async function beginOperation(
  store: ReleaseStore,
  { timeoutMs, stop, report }: OperationOptions,
): Promise<ReleaseOperation> {
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

/** Throws if the user has stopped the operation or the lock was lost. Called before each change. */
export async function assertCanContinue({
  stop,
  lock,
}: Pick<ReleaseOperation, "stop" | "lock">): Promise<void> {
  if (stop.aborted) throw new Interrupted();
  await lock.check();
}
