import { hashServices } from "../../topology/services-list.ts";
import type { ApiClient } from "../api/client.ts";
import type { LiveObject } from "../api/live-object.ts";
import { RESOURCES, resourcePath } from "../api/resource.ts";
import type { KubernetesObject } from "../object.ts";
import { SERVICES_LIST } from "../services-config-map.ts";
import { ownerOf } from "./pod-index.ts";
import { findCondition } from "./readiness.ts";

const LINK_PORT = 8000;
const HASH_HEADER = "chain-link-services";
const POLL_MS = 1_000;
/** Between two questions to thousands of links: the API server passes each of them on. */
const PACE_MS = 10;
/** Rounds of questions after which the pods are listed again: some may have gone, and others come. */
const LIST_ROUNDS = 5;

/** A link that still serves an older list. */
export interface LateLink {
  readonly pod: string;
  readonly reason: string;
}

/**
 * Waits until every running link answers with the hash of the list that is wanted. Kubelets renew the files of a
 * ConfigMap up to 90 seconds late, and nothing can be watched that would tell: each link is asked, through the API
 * server. A link that says no hash is another program, and is not waited for.
 * Where the release has NetworkPolicies, one that the API server cannot reach is not waited for either: they may be why.
 * @returns Links that were late when `signal` was aborted
 */
export async function waitForServicesList(
  client: ApiClient,
  namespace: string,
  release: string,
  objects: readonly KubernetesObject[],
  signal: AbortSignal,
  onProgress: (late: number) => void,
): Promise<LateLink[]> {
  const hash = wantedHash(objects);
  if (hash === null) return [];
  const deployments = new Set(objects.filter(readsList).map(({ metadata }) => metadata.name));
  const isGuarded = objects.some(({ kind }) => kind === "NetworkPolicy");
  const served = new Set<string>();
  const listUnserved = async () => {
    const names: string[] = [];
    const labelSelector = `app.kubernetes.io/instance=${release}`;
    const collect = (pod: LiveObject) => {
      if (isRunning(pod) && deployments.has(ownerOf(pod) ?? "") && !served.has(pod.metadata.name))
        names.push(pod.metadata.name);
    };
    await client.list(RESOURCES.pod, namespace, { labelSelector }, collect, () => names.splice(0));
    return names;
  };
  let late: LateLink[] = [];
  let asked = await listUnserved();
  for (let round = 1; !signal.aborted; round++) {
    const reasons = await Promise.all(asked.map((pod) => ask(client, namespace, pod, hash, isGuarded)));
    late = [];
    for (const [index, pod] of asked.entries()) {
      const reason = reasons[index] ?? null;
      if (reason === null) served.add(pod);
      else late.push({ pod, reason });
    }
    if (late.length > 0) {
      onProgress(late.length);
      await Promise.race([Bun.sleep(Math.max(POLL_MS, late.length * PACE_MS)), aborted(signal)]);
    }
    const isListed = late.length === 0 || round % LIST_ROUNDS === 0;
    asked = isListed ? await listUnserved() : late.map(({ pod }) => pod);
    if (asked.length === 0) return [];
  }
  return late;
}

/** A name is given once only: a Deployment's pods end in random letters. */
function isRunning(pod: LiveObject): boolean {
  return pod.metadata.deletionTimestamp === undefined && findCondition(pod, "Ready")?.status === "True";
}

/** `null` when the pod serves the list, or is none that could say. */
async function ask(
  client: ApiClient,
  namespace: string,
  pod: string,
  hash: string,
  isGuarded: boolean,
): Promise<string | null> {
  try {
    const path = `${resourcePath(RESOURCES.pod, namespace, `${pod}:${LINK_PORT}`)}/proxy/readiness`;
    const { status, headers } = await client.raw(path);
    if (status === 404 || (isGuarded && status >= 502)) return null;
    if (status !== 200) return `its readiness answers ${status}`;
    const found = headers.get(HASH_HEADER);
    return found === null || found === hash ? null : "serves an older list of services";
  } catch {
    return isGuarded ? null : "does not answer through the API server";
  }
}

function wantedHash(objects: readonly KubernetesObject[]): string | null {
  const list = objects.find(({ kind, metadata }) => kind === "ConfigMap" && metadata.name === SERVICES_LIST);
  const text = (list?.data as Record<string, string> | undefined)?.["services.json"];
  return text === undefined ? null : hashServices(JSON.parse(text) as string[]);
}

/** Whether a Deployment's pods mount the list. */
function readsList(object: KubernetesObject): boolean {
  if (object.kind !== "Deployment") return false;
  const spec = object.spec as { template?: { spec?: { volumes?: { configMap?: { name?: string } }[] } } };
  return spec.template?.spec?.volumes?.some(({ configMap }) => configMap?.name === SERVICES_LIST) ?? false;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
