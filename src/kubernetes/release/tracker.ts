import type { ApiClient } from "../api/client.ts";
import type { LiveObject } from "../api/live-object.ts";
import { RESOURCES, type Resource } from "../api/resource.ts";
import { type Follower, followCollection } from "../api/watch.ts";
import type { KubernetesObject } from "../object.ts";
import { keyOf } from "./plan.ts";
import { ownerOf, PodIndex } from "./pod-index.ts";
import { findPodTrouble, isLackOfRoom } from "./pod-trouble.ts";
import { findCondition, type Readiness, readReadiness } from "./readiness.ts";
import { hasReadyAddress, ServiceBackends } from "./service-backends.ts";

/** One object of a release and its readiness. */
export interface TrackedObject {
  readonly kind: string;
  readonly name: string;
  readonly readiness: Readiness;
  /** The problem of one of its pods; empty if there is none. */
  readonly trouble: string;
}

interface TrackerOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly release: string;
  /** The desired members. */
  readonly objects: readonly KubernetesObject[];
  /** Keys of objects that are known to be ready and need not be read. */
  readonly ready?: ReadonlySet<string>;
  /** Called after each change, which is often. */
  readonly onChange?: () => void;
}

const NOT_FOUND: Readiness = { state: "in-progress", message: "is not there" };
const CURRENT: Readiness = { state: "current", message: "" };

/**
 * Follows the objects of a release until they are ready: Deployments and Pods by their own status, Services by their
 * EndpointSlices, all by watches. Objects that are ready as soon as they exist are not read.
 */
export class ReadinessTracker {
  readonly #options: TrackerOptions;
  readonly #objects: readonly KubernetesObject[];
  readonly #states = new Map<string, Readiness>();
  readonly #unready = new Set<string>();
  readonly #failed = new Set<string>();
  readonly #pods = new PodIndex();
  readonly #deployments = new Map<string, LiveObject>();
  readonly #replicaFailures = new Map<string, string>();
  readonly #backing: ServiceBackends;
  readonly #settled = Promise.withResolvers<void>();
  #listsMissing = 0;

  constructor(options: TrackerOptions) {
    this.#options = options;
    this.#objects = options.objects.filter(({ kind }) => kind !== "Namespace");
    this.#backing = new ServiceBackends(this.#objects);
    for (const object of this.#objects) {
      const key = keyOf(object);
      // A Service is judged by its EndpointSlices, unless it needs no pods.
      const needsLook = ["Deployment", "Pod", "Job", "PersistentVolumeClaim"].includes(object.kind);
      this.#set(key, needsLook && options.ready?.has(key) !== true ? NOT_FOUND : CURRENT);
    }
    for (const name of this.#backing.services) this.#judgeService(name);
  }

  /**
   * Resolves when every object is current. Rejects as soon as one has failed, because waiting would not help.
   * @throws {NotReady}
   */
  waitUntilReady(signal: AbortSignal): Promise<void> {
    return this.#waitUntil(() => this.#unready.size === 0, signal);
  }

  /**
   * Also resolves if all objects that are not current only lack room in the cluster: a node, or quota.
   * @throws {NotReady}
   */
  waitUntilReadyOrFull(signal: AbortSignal): Promise<void> {
    const lacksRoom = ({ kind, metadata }: KubernetesObject) =>
      isLackOfRoom(this.#findTrouble(kind, metadata.name));
    const unready = () => this.#objects.filter((object) => this.#unready.has(keyOf(object)));
    return this.#waitUntil(() => unready().every(lacksRoom), signal);
  }

  async #waitUntil(isDone: () => boolean, signal: AbortSignal): Promise<void> {
    this.#isDone = isDone;
    const end = new AbortController();
    const both = AbortSignal.any([signal, end.signal]);
    const stopped = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => stopped.resolve());
    if (signal.aborted) stopped.resolve();
    try {
      const following = this.#follow(both);
      const failing = Promise.all(following).then(() => stopped.promise);
      this.#settleIfDone();
      await Promise.race([this.#settled.promise, stopped.promise, failing]);
      if (!isDone()) throw new NotReady(this);
    } finally {
      end.abort();
    }
  }

  /** Resolves when every collection was read once. */
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

  /** Follows everything until the signal is aborted. */
  async watch(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#follow(signal));
  }

  #onLists: () => void = () => {};
  #isDone: () => boolean = () => false;

  get readyCount(): number {
    return this.#objects.length - this.#unready.size;
  }

  get size(): number {
    return this.#objects.length;
  }

  /** Returns all objects in the order in which they are applied. */
  list(): TrackedObject[] {
    return this.#objects.map((object) => this.#describe(object));
  }

  /** Returns the objects that are not ready. Services come last, because they only wait for the others. */
  listUnready(): TrackedObject[] {
    const unready = this.#objects.filter((object) => this.#unready.has(keyOf(object)));
    const rank = ({ kind }: KubernetesObject) => (kind === "Service" ? 1 : 0);
    return unready.toSorted((a, b) => rank(a) - rank(b)).map((object) => this.#describe(object));
  }

  /** Returns the live Deployment or Pod if it was seen. */
  find({ kind, name }: Pick<TrackedObject, "kind" | "name">): LiveObject | undefined {
    return kind === "Pod" ? this.#pods.get(name) : this.#deployments.get(name);
  }

  /** Returns the pods of a Deployment, or the Pod itself; newest first. */
  listPods({ kind, name }: Pick<TrackedObject, "kind" | "name">): LiveObject[] {
    if (kind === "Deployment") return this.#pods.listOf(name);
    const pod = kind === "Pod" ? this.#pods.get(name) : undefined;
    return pod === undefined ? [] : [pod];
  }

  #describe(object: KubernetesObject): TrackedObject {
    const { kind, metadata } = object;
    const readiness = this.#states.get(keyOf(object)) ?? NOT_FOUND;
    const trouble = readiness.state === "current" ? "" : this.#findTrouble(kind, metadata.name);
    return { kind, name: metadata.name, readiness, trouble };
  }

  #findTrouble(kind: string, name: string): string {
    if (kind === "Deployment") {
      return this.#replicaFailures.get(name) ?? this.#pods.troubleOf(name);
    }
    const pod = kind === "Pod" ? this.#pods.get(name) : undefined;
    return pod === undefined ? "" : (findPodTrouble(pod)?.text ?? "");
  }

  #follow(signal: AbortSignal): Promise<void>[] {
    const { release } = this.#options;
    const kinds = new Set(
      this.#objects.filter((object) => this.#unready.has(keyOf(object))).map(({ kind }) => kind),
    );
    const hasPods = kinds.has("Pod") || (kinds.has("Deployment") && this.#backing.isRunning);
    const following: Promise<void>[] = [];
    const add = (resource: Resource, labelSelector: string, follower: Omit<Follower, "onList">) => {
      this.#listsMissing += 1;
      let isFirst = true;
      const onList = () => {
        if (isFirst) this.#listsMissing -= 1;
        isFirst = false;
        if (this.#listsMissing > 0) return;
        this.#onLists();
        this.#changed();
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
    if (kinds.has("PersistentVolumeClaim")) {
      add(RESOURCES.persistentVolumeClaim, ofRelease, {
        onObject: (claim) => this.#onClaim(claim),
        onGone: (claim) => this.#onGone(claim),
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
    this.#backing.setReplicas(name, object.spec?.replicas ?? 1);
    const failure = findCondition(object, "ReplicaFailure");
    if (failure?.status === "True")
      this.#replicaFailures.set(name, failure.message ?? "its pods cannot be made");
    else this.#replicaFailures.delete(name);
    this.#judgeDeployment(name);
    for (const service of this.#backing.servicesOf(name)) this.#judgeService(service);
    this.#changed();
  }

  /** A Deployment whose pods wait for a node exceeds its progress deadline, but may still succeed when a node is added. */
  #judgeDeployment(name: string): void {
    const live = this.#deployments.get(name);
    if (live === undefined) return;
    const readiness = readReadiness(live);
    const trouble = readiness.state === "failed" ? this.#pods.troubleOf(name) : "";
    const isWaiting = trouble.startsWith("Unschedulable");
    this.#set(keyOf(live), isWaiting ? { state: "in-progress", message: "waits for a node" } : readiness);
  }

  #onClaim(claim: LiveObject): void {
    if (this.#states.has(keyOf(claim))) this.#set(keyOf(claim), readReadiness(claim));
    this.#changed();
  }

  #onPod(pod: LiveObject): void {
    this.#pods.set(withoutOwners(pod));
    if (this.#states.has(keyOf(pod))) this.#set(keyOf(pod), readReadiness(pod));
    const owner = ownerOf(pod);
    if (owner !== null && this.#failed.has(`Deployment/${owner}`)) this.#judgeDeployment(owner);
    this.#changed();
  }

  #onGone(object: LiveObject): void {
    if (this.#states.has(keyOf(object))) this.#set(keyOf(object), NOT_FOUND);
    this.#changed();
  }

  #onSlice(slice: LiveObject, isReady: boolean): void {
    const service = slice.metadata.labels?.["kubernetes.io/service-name"] ?? "";
    if (!this.#backing.has(service)) return;
    this.#backing.setSlice(service, slice.metadata.name, isReady);
    this.#judgeService(service);
    this.#changed();
  }

  #judgeService(name: string): void {
    const isReady = this.#backing.isReady(name);
    this.#set(
      `Service/${name}`,
      isReady ? CURRENT : { state: "in-progress", message: "no pod behind it is ready" },
    );
  }

  #set(key: string, readiness: Readiness): void {
    this.#states.set(key, readiness);
    if (readiness.state === "current") this.#unready.delete(key);
    else this.#unready.add(key);
    if (readiness.state === "failed") this.#failed.add(key);
    else this.#failed.delete(key);
  }

  #changed(): void {
    this.#options.onChange?.();
    this.#settleIfDone();
  }

  #settleIfDone(): void {
    // The pods must be known first: they also decide whether a Deployment has failed.
    const hasFailed = this.#failed.size > 0 && this.#listsMissing === 0;
    if (this.#isDone() || hasFailed) this.#settled.resolve();
  }
}

/** Some objects did not become ready; the tracker knows which and why. */
export class NotReady extends Error {
  override readonly name = "NotReady";

  constructor(readonly tracker: ReadinessTracker) {
    super(`${tracker.size - tracker.readyCount} of ${tracker.size} objects are not ready`);
  }
}

/** `managedFields` is most of an object and is not needed to judge readiness. */
function withoutOwners(object: LiveObject): LiveObject {
  return { ...object, metadata: { ...object.metadata, managedFields: [] } };
}
