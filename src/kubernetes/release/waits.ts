import type { LiveObject } from "../api/live-object.ts";
import { RESOURCES } from "../api/resource.ts";
import type { KubernetesObject } from "../object.ts";
import { waitUntilDeleted } from "./deletion-watch.ts";
import type { DeployOptions } from "./deployment.ts";
import { Interrupted } from "./operation.ts";
import { keyOf, type PlannedObject, type Removal } from "./plan.ts";
import { ownerOf } from "./pod-index.ts";
import type { ReleaseStore } from "./store.ts";
import { ReadinessTracker } from "./tracker.ts";

/** Time for each node's kube-proxy to route to new pods. Kubernetes has no sign for that; rules are renewed once a second. */
const ROUTING_MS = 2_000;
/** A terminating pod of ours ends within its grace period of 30 s; one on a dead node never does. */
const CALLERS_END_MS = 40_000;

/** The waits of one deploy. They share one timeout, which starts with the first wait. */
export class Waits {
  readonly #store: ReleaseStore;
  readonly #options: DeployOptions;
  #limit: AbortSignal | null = null;

  constructor(store: ReleaseStore, options: DeployOptions) {
    this.#store = store;
    this.#options = options;
  }

  /**
   * Waits until all objects are ready.
   * @param ready Keys of objects that are known to be ready
   * @throws {NotReady} {@link Interrupted}
   */
  async untilReady(
    objects: readonly KubernetesObject[],
    ready: ReadonlySet<string> = new Set(),
  ): Promise<void> {
    await this.#track(objects, ready, (tracker, limit) => tracker.waitUntilReady(limit));
  }

  /**
   * Waits until new Deployments can be called, before running links are changed to call them. Pods that lack room in
   * the cluster are not waited for, because the rest of the change may make that room.
   * @throws {NotReady} {@link Interrupted}
   */
  async untilCallable(created: readonly PlannedObject[]): Promise<void> {
    const deployments = created.map(({ object }) => object).filter(({ kind }) => kind === "Deployment");
    if (deployments.length === 0) return;
    await this.#track(deployments, new Set(), (tracker, limit) => tracker.waitUntilReadyOrFull(limit));
    await Bun.sleep(ROUTING_MS);
  }

  /**
   * Waits until replaced pods have ended, because they keep calling services that the release no longer has. Gives up
   * silently, because nothing else depends on them.
   */
  async untilCallersEnded(objects: readonly KubernetesObject[]): Promise<void> {
    const names = objects.filter(({ kind }) => kind === "Deployment").map(({ metadata }) => metadata.name);
    const deployments = new Set(names);
    await this.#untilEnded(
      (pod) => pod.metadata.deletionTimestamp !== undefined && deployments.has(ownerOf(pod) ?? ""),
    );
  }

  /** Waits until the pods of deleted Deployments have ended. Gives up silently, too. */
  async untilRemovedEnded(removals: readonly Removal[]): Promise<void> {
    const names = removals
      .filter(({ resource }) => resource === RESOURCES.deployment)
      .map(({ name }) => name);
    const deployments = new Set(names);
    if (deployments.size > 0) await this.#untilEnded((pod) => deployments.has(ownerOf(pod) ?? ""));
  }

  async #untilEnded(isWaitedFor: (pod: LiveObject) => boolean): Promise<void> {
    const { client, namespace, release } = this.#store;
    const selector = { labelSelector: `app.kubernetes.io/instance=${release}`, metadataOnly: true };
    const pods = await client.listAll(RESOURCES.pod, namespace, selector);
    const ending = new Set(pods.filter(isWaitedFor).map(({ metadata }) => metadata.uid));
    const limit = AbortSignal.any([this.#timeout(), AbortSignal.timeout(CALLERS_END_MS)]);
    await waitUntilDeleted(client, RESOURCES.pod, namespace, selector, ending, limit).catch(
      (error: unknown) => {
        if (!limit.aborted) throw error;
      },
    );
    if (this.#options.stop.aborted) throw new Interrupted();
  }

  async #track(
    objects: readonly KubernetesObject[],
    ready: ReadonlySet<string>,
    wait: (tracker: ReadinessTracker, limit: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const { stop, report } = this.#options;
    const tracker: ReadinessTracker = new ReadinessTracker({
      client: this.#store.client,
      namespace: this.#store.namespace,
      release: this.#store.release,
      objects,
      ready,
      onChange: () => report.onProgress(tracker),
    });
    report.onWait(tracker);
    try {
      await wait(tracker, this.#timeout());
    } catch (error) {
      if (stop.aborted) throw new Interrupted();
      throw error;
    } finally {
      report.onWaitEnd();
    }
    if (stop.aborted) throw new Interrupted();
  }

  #timeout(): AbortSignal {
    const { stop, timeoutMs } = this.#options;
    this.#limit ??= AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
    return this.#limit;
  }
}

/** Returns the keys of the objects that were ready when the plan was made. */
export function readyKeys(objects: readonly PlannedObject[]): Set<string> {
  return new Set(
    objects.filter(({ live }) => live?.readiness.state === "current").map(({ object }) => keyOf(object)),
  );
}
