// https://kubernetes.io/docs/concepts/architecture/leases/
import { randomUUID } from "node:crypto";
import { UserError } from "../../lib/errors.ts";
import type { ApiClient } from "../api/client.ts";
import type { LiveObject } from "../api/live-object.ts";
import { RESOURCES } from "../api/resource.ts";
import { hasReason, isNotFound } from "../api/status.ts";
import { followCollection } from "../api/watch.ts";
import { MANAGED_BY, MANAGER } from "../labels.ts";
import { parentName } from "./apply-set.ts";
import { describeSelf, formatLockHolder, isDead, parseLockHolder } from "./lock-holder.ts";
import { FIELD_MANAGER } from "./owned-fields.ts";
import { RELEASE_LABEL } from "./revision.ts";

const DURATION_SECONDS = 15;
const RENEW_MS = 5_000;
const HOLDER_ANNOTATION = "chain-link.dev/holder";

interface LockOptions {
  /** Ends the wait for another's sign of life. */
  readonly stop?: AbortSignal;
  /** Told when another holds it, before one duration is waited for a sign of life. */
  readonly onWait?: (holder: string, seconds: number) => void;
}

/** What stood where the lock was to be: gone, renewed by its holder, or silent for its whole duration; or we stopped looking. */
type Observed = "gone" | "alive" | "silent" | "stopped";

/**
 * A Lease that one process at a time holds and renews. One that is not renewed for its duration, watched by our own
 * clock, is taken over: times of other machines are never compared with ours.
 */
export class ReleaseLock {
  readonly #client: ApiClient;
  readonly #namespace: string;
  readonly #identity: string;
  #lease: LiveObject;
  #renewedAtMs = performance.now();
  #lost: Error | null = null;
  #renewing: Promise<void> | null = null;
  readonly #timer: Timer;

  private constructor(client: ApiClient, namespace: string, identity: string, lease: LiveObject) {
    this.#client = client;
    this.#namespace = namespace;
    this.#identity = identity;
    this.#lease = lease;
    this.#timer = setInterval(() => void this.#renew().catch(() => {}), RENEW_MS);
  }

  /**
   * `null` when `stop` was aborted while another's sign of life was waited for.
   * @throws {UserError} `release-locked`, naming the holder
   */
  static async acquire(
    client: ApiClient,
    namespace: string,
    release: string,
    options: LockOptions = {},
  ): Promise<ReleaseLock | null> {
    const name = parentName(release);
    const self = describeSelf();
    const identity = `${self.user}@${self.host}:${self.pid}:${randomUUID().slice(0, 8)}`;
    const annotations = { [HOLDER_ANNOTATION]: JSON.stringify(self) };
    for (;;) {
      const lease = {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: {
          name,
          namespace,
          labels: { [MANAGED_BY]: MANAGER, [RELEASE_LABEL]: release },
          annotations,
        },
        spec: { ...leaseSpec(identity), acquireTime: microTime() },
      };
      try {
        const made = await client.create(RESOURCES.lease, namespace, lease, FIELD_MANAGER);
        return new ReleaseLock(client, namespace, identity, made);
      } catch (error) {
        if (!hasReason(error, "AlreadyExists")) throw error;
      }
      const found = await client.find(RESOURCES.lease, namespace, name);
      if (found === null) continue;
      // Our own attempt, whose answer was lost.
      if (found.spec?.holderIdentity === identity) return new ReleaseLock(client, namespace, identity, found);
      const holder = parseLockHolder(found.metadata.annotations?.[HOLDER_ANNOTATION]);
      const holderText =
        holder === null ? String(found.spec?.holderIdentity ?? "nobody") : formatLockHolder(holder);
      if (holder === null || !isDead(holder)) {
        const seconds = Number(found.spec?.leaseDurationSeconds ?? DURATION_SECONDS);
        options.onWait?.(holderText, seconds);
        const observed = await observe(client, namespace, found, seconds * 1000, options.stop);
        if (observed === "stopped") return null;
        if (observed === "gone") continue;
        if (observed === "alive") throw locked(release, namespace, holderText);
      }
      const patch = {
        metadata: { resourceVersion: found.metadata.resourceVersion, annotations },
        spec: { ...leaseSpec(identity), acquireTime: microTime() },
      };
      try {
        const taken = await client.mergePatch(RESOURCES.lease, namespace, name, patch, FIELD_MANAGER);
        return new ReleaseLock(client, namespace, identity, taken);
      } catch (error) {
        if (isNotFound(error)) continue;
        if (!hasReason(error, "Conflict")) throw error;
        // Somebody was faster, or an attempt of ours arrived: the next turn tells.
      }
    }
  }

  /**
   * Resolves while we hold the lock, waiting for a renewal that is late; to be asked before each change.
   * @throws {UserError} `release-locked` when another took it
   */
  async check(): Promise<void> {
    if (this.#lost !== null) throw this.#lost;
    if (performance.now() - this.#renewedAtMs > DURATION_SECONDS * 1000) await this.#renew();
    if (this.#lost !== null) throw this.#lost;
  }

  /** Lets others have it. One that cannot be removed runs out. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing?.catch(() => {});
    if (this.#lost !== null) return;
    const { name, uid } = this.#lease.metadata;
    await this.#client.delete(RESOURCES.lease, this.#namespace, name, { uid });
  }

  #renew(): Promise<void> {
    this.#renewing ??= this.#sendRenewal().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  async #sendRenewal(): Promise<void> {
    const { name, resourceVersion } = this.#lease.metadata;
    const patch = { metadata: { resourceVersion }, spec: { renewTime: microTime() } };
    const startMs = performance.now();
    try {
      this.#lease = await this.#client.mergePatch(
        RESOURCES.lease,
        this.#namespace,
        name,
        patch,
        FIELD_MANAGER,
      );
      this.#renewedAtMs = startMs;
    } catch (error) {
      if (!isNotFound(error) && !hasReason(error, "Conflict")) throw error;
      const found = await this.#client.find(RESOURCES.lease, this.#namespace, name);
      if (found?.spec?.holderIdentity === this.#identity) {
        // The renewal had arrived, only its answer was lost.
        this.#lease = found;
        this.#renewedAtMs = startMs;
        return;
      }
      clearInterval(this.#timer);
      const by =
        found === null ? "somebody removed the lock" : `${String(found.spec?.holderIdentity)} took the lock`;
      this.#lost = new UserError(
        "release-locked",
        `${by} while this deploy was under way`,
        "Run the same command again when the other has finished.",
      );
    }
  }
}

/** Watches a lease until something happens to it, for at most one duration. */
async function observe(
  client: ApiClient,
  namespace: string,
  { metadata }: LiveObject,
  durationMs: number,
  stop: AbortSignal | undefined,
): Promise<Observed> {
  const end = new AbortController();
  const { promise, resolve } = Promise.withResolvers<Observed>();
  const timer = setTimeout(() => resolve("silent"), durationMs);
  const onStop = () => resolve("stopped");
  stop?.addEventListener("abort", onStop);
  if (stop?.aborted) onStop();
  const following = followCollection(
    client,
    RESOURCES.lease,
    namespace,
    { fieldSelector: `metadata.name=${metadata.name}` },
    {
      onObject: (lease) => {
        if (lease.metadata.resourceVersion !== metadata.resourceVersion) resolve("alive");
      },
      onGone: () => resolve("gone"),
      onList: (names) => {
        if (names.size === 0) resolve("gone");
      },
    },
    end.signal,
  );
  try {
    return await Promise.race([promise, following.then(() => promise)]);
  } finally {
    clearTimeout(timer);
    stop?.removeEventListener("abort", onStop);
    end.abort();
  }
}

function locked(release: string, namespace: string, holder: string): UserError {
  return new UserError(
    "release-locked",
    `release ${JSON.stringify(release)} in namespace ${JSON.stringify(namespace)} is being changed by ${holder}`,
    "Try again when that has finished; chain-link status --watch shows the state.",
  );
}

function leaseSpec(identity: string) {
  return { holderIdentity: identity, leaseDurationSeconds: DURATION_SECONDS, renewTime: microTime() };
}

/** RFC 3339 with microseconds, as Leases want it. */
function microTime(): string {
  return new Date().toISOString().replace("Z", "000Z");
}
