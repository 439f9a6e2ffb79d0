import type { ApiClient } from "../api/client.ts";
import { ReleaseLock } from "./lock.ts";
import type { Action } from "./plan.ts";
import { explainingRefusals } from "./rights.ts";
import type { ReleaseStore } from "./store.ts";

/** What a change of the cluster needs. */
export interface ReleaseOperation {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly lock: ReleaseLock;
  /** Aborted at the first Ctrl-C: what is under way is finished, nothing more is begun. */
  readonly stop: AbortSignal;
  /** How long an object that is replaced may take to end. */
  readonly timeoutMs: number;
  readonly report: Reporter;
}

/** Told of every step; none of it changes what is done. */
export interface Reporter {
  onNamespaceCreated(name: string): void;
  onApplied(action: Action, kind: string, name: string): void;
  onDeleted(kind: string, name: string): void;
}

/** The user asked to stop. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

export interface OperationOptions {
  readonly timeoutMs: number;
  /** Aborted at the first Ctrl-C. */
  readonly stop: AbortSignal;
  readonly report: Reporter & { onLockWait(holder: string, seconds: number): void };
}

export interface RemoveOptions {
  readonly wait: boolean;
  /** Deletes what the release would leave behind, too. */
  readonly withStorage: boolean;
  readonly timeoutMs: number;
  readonly stop: AbortSignal;
  readonly report: Reporter & {
    onLockWait(holder: string, seconds: number): void;
    /** Pods that still end; told again now and then, and with none when all have ended. */
    onEnding(pods: readonly string[]): void;
  };
}

/**
 * Takes the release's lock. Whoever calls lets it go.
 * @throws {UserError} `release-locked`, `forbidden`; {@link Interrupted} when the user stops before we have it
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

/** Refuses to begin anything when we are to stop, or no longer hold the lock. */
export async function assertCanContinue({
  stop,
  lock,
}: Pick<ReleaseOperation, "stop" | "lock">): Promise<void> {
  if (stop.aborted) throw new Interrupted();
  await lock.check();
}
