import type { LiveObject } from "../api/live-object.ts";
import { findPodTrouble } from "./pod-trouble.ts";

/** Pods of a release by name, those of Deployments too, and what is wrong with them. */
export class PodIndex {
  readonly #pods = new Map<string, LiveObject>();
  /** Deployments of which a pod is in trouble; made when it is asked for. */
  #troubles: Map<string, string> | null = null;

  set(pod: LiveObject): void {
    this.#pods.set(pod.metadata.name, pod);
    this.#troubles = null;
  }

  delete(name: string): void {
    this.#pods.delete(name);
    this.#troubles = null;
  }

  get(name: string): LiveObject | undefined {
    return this.#pods.get(name);
  }

  values(): Iterable<LiveObject> {
    return this.#pods.values();
  }

  /** Newest first. */
  listOf(deployment: string): LiveObject[] {
    const pods = [...this.#pods.values()].filter((pod) => ownerOf(pod) === deployment);
    return pods.sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? 1 : -1));
  }

  /** What one of a Deployment's pods says; empty when none is in trouble. */
  troubleOf(deployment: string): string {
    this.#troubles ??= this.#collectTroubles();
    return this.#troubles.get(deployment) ?? "";
  }

  #collectTroubles(): Map<string, string> {
    const troubles = new Map<string, string>();
    for (const pod of this.#pods.values()) {
      if (pod.metadata.deletionTimestamp !== undefined) continue;
      const trouble = findPodTrouble(pod);
      const owner = ownerOf(pod);
      if (trouble !== null && owner !== null && !troubles.has(owner)) troubles.set(owner, trouble.text);
    }
    return troubles;
  }
}

/** The Deployment of a pod: its ReplicaSet's name without the hash. */
export function ownerOf(pod: LiveObject): string | null {
  const owner = pod.metadata.ownerReferences?.find(({ kind }) => kind === "ReplicaSet")?.name;
  const hash = pod.metadata.labels?.["pod-template-hash"];
  if (owner === undefined) return null;
  return hash !== undefined && owner.endsWith(`-${hash}`) ? owner.slice(0, -hash.length - 1) : owner;
}
