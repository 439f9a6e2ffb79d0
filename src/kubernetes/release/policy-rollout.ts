import { RESOURCES } from "../api/resource.ts";
import type { KubernetesObject, Plain } from "../object.ts";
import type { PlannedObject } from "./plan.ts";
import type { ReleaseStore } from "./store.ts";

/**
 * Returns the NetworkPolicies that could cut off running pods: those that change, and new ones for a Service that
 * already exists. A policy is named like the Service of the pods that it protects.
 */
export function listTightened(objects: readonly PlannedObject[]): PlannedObject[] {
  const services = objects.filter(({ object, action }) => object.kind === "Service" && action !== "create");
  const existing = new Set(services.map(({ object }) => object.metadata.name));
  return objects.filter(
    ({ object, action }) =>
      object.kind === "NetworkPolicy" &&
      action !== "unchanged" &&
      (action !== "create" || existing.has(object.metadata.name)),
  );
}

/**
 * Adds to a policy what the live one allows, so that the old pods of a removed caller are served until they have ended. A new
 * policy allows all pods of the release meanwhile.
 */
export async function loosen(
  { client, namespace, release }: ReleaseStore,
  planned: PlannedObject,
): Promise<PlannedObject> {
  const { object } = planned;
  const live = await client.find(RESOURCES.networkPolicy, namespace, object.metadata.name);
  const fromRelease = { from: [{ podSelector: { matchLabels: { "app.kubernetes.io/instance": release } } }] };
  const allowed = live === null ? [fromRelease] : ingressOf(live.spec);
  const wanted = ingressOf(object.spec);
  const added = allowed.filter((rule) => !wanted.some((it) => Bun.deepEquals(it, rule)));
  const spec = { ...(object.spec as Fields), ingress: [...wanted, ...added] };
  return { ...planned, object: { ...object, spec } };
}

type Fields = Readonly<Record<string, Plain>>;

function ingressOf(spec: KubernetesObject["spec"] | object): readonly Plain[] {
  return ((spec ?? {}) as { readonly ingress?: readonly Plain[] }).ingress ?? [];
}
