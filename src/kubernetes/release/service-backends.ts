import type { LiveObject } from "../api/live-object.ts";
import type { KubernetesObject } from "../object.ts";

/** Which Deployment stands behind each Service, and whether somebody answers there. */
export class ServiceBackends {
  /** Name of the Deployment, by Service; empty where it is none of ours. */
  readonly #behind = new Map<string, string>();
  /** Names of the Services, by Deployment. */
  readonly #before = new Map<string, string[]>();
  /** Pods that are wanted, by Deployment. */
  readonly #replicas = new Map<string, number>();
  /** Names of EndpointSlices with a ready address, by Service. */
  readonly #ready = new Map<string, Set<string>>();

  constructor(objects: readonly KubernetesObject[]) {
    const selectors = new Map<string, string>();
    for (const { kind, metadata, spec } of objects) {
      if (kind !== "Deployment") continue;
      const { selector, replicas = 1 } = spec as { selector?: { matchLabels?: unknown }; replicas?: number };
      selectors.set(selectorKey(selector?.matchLabels), metadata.name);
      this.#replicas.set(metadata.name, replicas);
    }
    for (const { kind, metadata, spec } of objects) {
      if (kind !== "Service") continue;
      const deployment = selectors.get(selectorKey((spec as { selector?: unknown }).selector)) ?? "";
      this.#behind.set(metadata.name, deployment);
      this.#before.set(deployment, [...(this.#before.get(deployment) ?? []), metadata.name]);
    }
  }

  get services(): Iterable<string> {
    return this.#behind.keys();
  }

  /** Whether any Deployment wants a pod. */
  get isRunning(): boolean {
    return [...this.#replicas.values()].some((replicas) => replicas > 0);
  }

  has(service: string): boolean {
    return this.#behind.has(service);
  }

  servicesOf(deployment: string): readonly string[] {
    return this.#before.get(deployment) ?? [];
  }

  setReplicas(deployment: string, replicas: number): void {
    this.#replicas.set(deployment, replicas);
  }

  setSlice(service: string, slice: string, isReady: boolean): void {
    const ready = this.#ready.get(service) ?? new Set();
    this.#ready.set(service, ready);
    if (isReady) ready.add(slice);
    else ready.delete(slice);
  }

  /** Somebody answers, or nobody is wanted. */
  isReady(service: string): boolean {
    const wantsNone = this.#replicas.get(this.#behind.get(service) ?? "") === 0;
    return wantsNone || (this.#ready.get(service)?.size ?? 0) > 0;
  }
}

export function hasReadyAddress(slice: LiveObject): boolean {
  const endpoints: readonly { conditions?: { ready?: boolean } }[] = slice.endpoints ?? [];
  // Absent means unknown, which is to be read as ready: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
  return endpoints.some(({ conditions }) => conditions?.ready !== false);
}

function selectorKey(selector: unknown): string {
  const entries = Object.entries((selector ?? {}) as Record<string, string>);
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
