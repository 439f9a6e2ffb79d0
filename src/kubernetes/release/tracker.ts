import type { ApiClient } from "../api/client.ts";
import type { LiveObject } from "../api/live-object.ts";
import { RESOURCES, type Resource } from "../api/resource.ts";
import { type Follower, followCollection } from "../api/watch.ts";
import type { KubernetesObject } from "../object.ts";
import { keyOf } from "./plan.ts";
import { findPodTrouble } from "./pod-trouble.ts";
import { findCondition, type Readiness, readReadiness } from "./readiness.ts";

/** One object of a release and how far it is. */
export interface TrackedObject {
  readonly kind: string;
  readonly name: string;
  readonly readiness: Readiness;
  /** What its pods say, if one of them is in trouble. */
  readonly trouble: string;
}

export interface TrackerOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly release: string;
  /** Members, as they are wanted. */
  readonly objects: readonly KubernetesObject[];
  /** Keys of those that are known to be ready, and are not looked at. */
  readonly ready?: ReadonlySet<string>;
  /** Told when something changed; often. */
  readonly onChange?: () => void;
}

/** A pod that cannot be placed counts as failed after a while, without anything else happening. */
const RECHECK_MS = 5_000;

const NOT_FOUND: Readiness = { state: "in-progress", message: "is not there" };
const CURRENT: Readiness = { state: "current", message: "" };

/**
 * Follows the objects of a release until they are ready: Deployments and Pods by their own status, Services by their
 * EndpointSlices, all by watches. What its kind alone makes ready is not asked for.
 */
export class ReadinessTracker {
  readonly #options: TrackerOptions;
  readonly #objects: readonly KubernetesObject[];
  readonly #states = new Map<string, Readiness>();
  readonly #unready = new Set<string>();
  /** Pods of the release by name, those of Deployments too. */
  readonly #pods = new Map<string, LiveObject>();
  readonly #deployments = new Map<string, LiveObject>();
  readonly #replicaFailures = new Map<string, string>();
  /** Names of EndpointSlices with a ready address, by Service. */
  readonly #endpoints = new Map<string, Set<string>>();
  /** Name of the Deployment behind a Service. */
  readonly #behind = new Map<string, string>();
  readonly #replicas = new Map<string, number>();
  /** Deployments of which a pod is in trouble; made when it is asked for. */
  #troubles: Map<string, string> | null = null;
  readonly #settled = Promise.withResolvers<void>();
  #listsMissing = 0;

  constructor(options: TrackerOptions) {
    this.#options = options;
    this.#objects = options.objects.filter(({ kind }) => kind !== "Namespace");
    const selectors = new Map<string, string>();
    for (const object of this.#objects) {
      if (object.kind !== "Deployment") continue;
      const spec = object.spec as { selector?: { matchLabels?: unknown }; replicas?: number };
      selectors.set(selectorKey(spec.selector?.matchLabels), object.metadata.name);
      this.#replicas.set(object.metadata.name, spec.replicas ?? 1);
    }
    for (const object of this.#objects) {
      const key = keyOf(object);
      if (object.kind === "Service") {
        const { selector } = object.spec as { selector?: unknown };
        this.#behind.set(object.metadata.name, selectors.get(selectorKey(selector)) ?? "");
      }
      // A Service is judged by its EndpointSlices, as far as pods are wanted.
      const needsLook = ["Deployment", "Pod", "Job"].includes(object.kind);
      this.#set(key, needsLook && options.ready?.has(key) !== true ? NOT_FOUND : CURRENT);
    }
    for (const name of this.#behind.keys()) this.#judgeService(name);
  }

  /**
   * Resolves when every object is current. Stops at once when one has failed, as waiting would not help.
   * @throws {NotReady}
   */
  async waitUntilReady(signal: AbortSignal): Promise<void> {
    const end = new AbortController();
    const both = AbortSignal.any([signal, end.signal]);
    const recheck = setInterval(() => this.#recheckPods(), RECHECK_MS);
    const stopped = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => stopped.resolve());
    if (signal.aborted) stopped.resolve();
    try {
      const following = this.#follow(both);
      const failing = Promise.all(following).then(() => stopped.promise);
      this.#settleIfDone();
      await Promise.race([this.#settled.promise, stopped.promise, failing]);
      if (this.#unready.size > 0) throw new NotReady(this);
    } finally {
      clearInterval(recheck);
      end.abort();
    }
  }

  /** Resolves when every collection was seen once. */
  async look(signal: AbortSignal): Promise<void> {
    const end = new AbortController();
    const seen = Promise.withResolvers<void>();
    this.#onLists = seen.resolve;
    const following = this.#follow(AbortSignal.any([signal, end.signal]));
    if (following.length === 0) seen.resolve();
    try {
      await Promise.race([seen.promise, Promise.all(following)]);
    } finally {
      end.abort();
    }
  }

  /** Follows everything until the end. */
  async watch(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#follow(signal));
  }

  #onLists: () => void = () => {};

  get readyCount(): number {
    return this.#objects.length - this.#unready.size;
  }

  get size(): number {
    return this.#objects.length;
  }

  /** Every object in the order in which it is applied. */
  list(): TrackedObject[] {
    return this.#objects.map((object) => this.#describe(object));
  }

  /** Those that are not ready; what only waits for another of them stands behind it. */
  listUnready(): TrackedObject[] {
    const unready = this.#objects.filter((object) => this.#unready.has(keyOf(object)));
    const rank = ({ kind }: KubernetesObject) => (kind === "Service" ? 1 : 0);
    return unready.toSorted((a, b) => rank(a) - rank(b)).map((object) => this.#describe(object));
  }

  /** The live Deployment or Pod, once it was seen. */
  find({ kind, name }: Pick<TrackedObject, "kind" | "name">): LiveObject | undefined {
    return kind === "Pod" ? this.#pods.get(name) : this.#deployments.get(name);
  }

  /** Pods of a Deployment, or the Pod itself; newest first. */
  listPods({ kind, name }: Pick<TrackedObject, "kind" | "name">): LiveObject[] {
    const pods = [...this.#pods.values()].filter((pod) =>
      kind === "Pod" ? pod.metadata.name === name : kind === "Deployment" && ownerOf(pod) === name,
    );
    return pods.sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? 1 : -1));
  }

  #describe(object: KubernetesObject): TrackedObject {
    const { kind, metadata } = object;
    const readiness = this.#states.get(keyOf(object)) ?? NOT_FOUND;
    const trouble = readiness.state === "current" ? "" : this.#findTrouble(kind, metadata.name);
    return { kind, name: metadata.name, readiness, trouble };
  }

  #findTrouble(kind: string, name: string): string {
    if (kind === "Deployment") {
      return this.#replicaFailures.get(name) ?? this.#deploymentTroubles().get(name) ?? "";
    }
    const pod = kind === "Pod" ? this.#pods.get(name) : undefined;
    return pod === undefined ? "" : (findPodTrouble(pod)?.text ?? "");
  }

  #deploymentTroubles(): Map<string, string> {
    if (this.#troubles !== null) return this.#troubles;
    this.#troubles = new Map();
    for (const pod of this.#pods.values()) {
      if (pod.metadata.deletionTimestamp !== undefined) continue;
      const trouble = findPodTrouble(pod);
      const owner = ownerOf(pod);
      if (trouble !== null && owner !== null && !this.#troubles.has(owner))
        this.#troubles.set(owner, trouble.text);
    }
    return this.#troubles;
  }

  #follow(signal: AbortSignal): Promise<void>[] {
    const { release } = this.#options;
    const kinds = new Set(
      this.#objects.filter((object) => this.#unready.has(keyOf(object))).map(({ kind }) => kind),
    );
    const isRunning = [...this.#replicas.values()].some((replicas) => replicas > 0);
    const hasPods = kinds.has("Pod") || (kinds.has("Deployment") && isRunning);
    const following: Promise<void>[] = [];
    const add = (resource: Resource, labelSelector: string, follower: Omit<Follower, "onList">) => {
      this.#listsMissing += 1;
      const onList = () => {
        this.#listsMissing -= 1;
        if (this.#listsMissing === 0) this.#onLists();
      };
      following.push(
        followCollection(
          this.#options.client,
          resource,
          this.#options.namespace,
          { labelSelector },
          { ...follower, onList },
          signal,
        ),
      );
    };
    const ofRelease = `app.kubernetes.io/instance=${release}`;
    if (kinds.has("Deployment")) {
      add(RESOURCES.deployment, ofRelease, {
        onObject: (object) => this.#onDeployment(object),
        onGone: (object) => this.#onGone(object),
      });
    }
    if (hasPods) {
      add(RESOURCES.pod, ofRelease, {
        onObject: (pod) => this.#onPod(pod),
        onGone: (pod) => {
          this.#pods.delete(pod.metadata.name);
          this.#onGone(pod);
        },
      });
    }
    if (kinds.has("Service")) {
      add(RESOURCES.endpointSlice, "kubernetes.io/service-name", {
        onObject: (slice) => this.#onSlice(slice, hasReadyAddress(slice)),
        onGone: (slice) => this.#onSlice(slice, false),
      });
    }
    return following;
  }

  #onDeployment(object: LiveObject): void {
    const { name } = object.metadata;
    const key = keyOf(object);
    if (!this.#states.has(key)) return;
    this.#deployments.set(name, withoutOwners(object));
    this.#replicas.set(name, object.spec?.replicas ?? 1);
    const failure = findCondition(object, "ReplicaFailure");
    if (failure?.status === "True")
      this.#replicaFailures.set(name, failure.message ?? "its pods cannot be made");
    else this.#replicaFailures.delete(name);
    this.#set(key, readReadiness(object, Date.now()));
    for (const [service, deployment] of this.#behind) if (deployment === name) this.#judgeService(service);
    this.#changed();
  }

  #onPod(pod: LiveObject): void {
    this.#pods.set(pod.metadata.name, withoutOwners(pod));
    this.#troubles = null;
    if (this.#states.has(keyOf(pod))) this.#set(keyOf(pod), readReadiness(pod, Date.now()));
    this.#changed();
  }

  #onGone(object: LiveObject): void {
    if (this.#states.has(keyOf(object))) this.#set(keyOf(object), NOT_FOUND);
    this.#troubles = null;
    this.#changed();
  }

  #onSlice(slice: LiveObject, isReady: boolean): void {
    const service = slice.metadata.labels?.["kubernetes.io/service-name"] ?? "";
    if (!this.#behind.has(service)) return;
    const ready = this.#endpoints.get(service) ?? new Set();
    this.#endpoints.set(service, ready);
    if (isReady) ready.add(slice.metadata.name);
    else ready.delete(slice.metadata.name);
    this.#judgeService(service);
    this.#changed();
  }

  #judgeService(name: string): void {
    const wantsNone = this.#replicas.get(this.#behind.get(name) ?? "") === 0;
    const isReady = wantsNone || (this.#endpoints.get(name)?.size ?? 0) > 0;
    this.#set(
      `Service/${name}`,
      isReady ? CURRENT : { state: "in-progress", message: "no pod behind it is ready" },
    );
  }

  #recheckPods(): void {
    for (const pod of this.#pods.values()) {
      if (this.#unready.has(keyOf(pod))) this.#set(keyOf(pod), readReadiness(pod, Date.now()));
    }
    this.#changed();
  }

  #set(key: string, readiness: Readiness): void {
    this.#states.set(key, readiness);
    if (readiness.state === "current") this.#unready.delete(key);
    else this.#unready.add(key);
  }

  #changed(): void {
    this.#options.onChange?.();
    this.#settleIfDone();
  }

  #settleIfDone(): void {
    const hasFailed = [...this.#unready].some((key) => this.#states.get(key)?.state === "failed");
    if (this.#unready.size === 0 || hasFailed) this.#settled.resolve();
  }
}

/** Objects did not become ready; the tracker knows which and why. */
export class NotReady extends Error {
  override readonly name = "NotReady";

  constructor(readonly tracker: ReadinessTracker) {
    super(`${tracker.size - tracker.readyCount} of ${tracker.size} objects are not ready`);
  }
}

/** Who owns its fields is most of an object, and of no use to one that is only looked at. */
function withoutOwners(object: LiveObject): LiveObject {
  return { ...object, metadata: { ...object.metadata, managedFields: [] } };
}

/** The Deployment of a pod: its ReplicaSet's name without the hash. */
export function ownerOf(pod: LiveObject): string | null {
  const owner = pod.metadata.ownerReferences?.find(({ kind }) => kind === "ReplicaSet")?.name;
  const hash = pod.metadata.labels?.["pod-template-hash"];
  if (owner === undefined) return null;
  return hash !== undefined && owner.endsWith(`-${hash}`) ? owner.slice(0, -hash.length - 1) : owner;
}

function hasReadyAddress(slice: LiveObject): boolean {
  const endpoints: readonly { conditions?: { ready?: boolean } }[] = slice.endpoints ?? [];
  // Absent means unknown, which is to be read as ready: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
  return endpoints.some(({ conditions }) => conditions?.ready !== false);
}

function selectorKey(selector: unknown): string {
  const entries = Object.entries((selector ?? {}) as Record<string, string>);
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
