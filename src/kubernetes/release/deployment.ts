import type { KubernetesObject } from "../object.ts";
import type { ApplyFailed } from "./apply.ts";
import type { Reporter } from "./operation.ts";
import type { PlanOptions } from "./plan.ts";
import type { Revision, RevisionInputs } from "./revision.ts";
import type { NotReady, ReadinessTracker } from "./tracker.ts";

/** What a release is to be. */
export interface Target {
  /** Without the Namespace, in the order in which they are applied. */
  readonly objects: readonly KubernetesObject[];
  readonly inputs: RevisionInputs;
}

export interface DeployOptions extends PlanOptions {
  readonly wait: boolean;
  readonly timeoutMs: number;
  /** Aborted at the first Ctrl-C. */
  readonly stop: AbortSignal;
  readonly report: DeployReporter;
}

export interface DeployReporter extends Reporter {
  onLockWait(holder: string, seconds: number): void;
  /** A revision whose process died is finished by this one. */
  onResume(revision: Revision): void;
  /** Somebody changed the release since it was planned. */
  onReplan(): void;
  /** The wait begins; `onProgress` follows. */
  onWait(tracker: ReadinessTracker): void;
  onProgress(tracker: ReadinessTracker): void;
  onWaitEnd(): void;
}

export interface Deployed {
  /** `null` when there was nothing to do. */
  readonly revision: number | null;
}

/** A deploy that began and did not end well; the cluster says `failed` or `interrupted`, too. */
export class DeployFailed extends Error {
  override readonly name = "DeployFailed";

  constructor(
    readonly revision: number,
    override readonly cause: NotReady | ApplyFailed | Error,
    /** Whether the revision is this deploy's: otherwise nothing was to change, and there is nothing to go back from. */
    readonly isNew = true,
  ) {
    super(cause.message, { cause });
  }
}
