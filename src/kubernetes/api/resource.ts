import type { KubernetesObject } from "../object.ts";

/** A kind of object, as API paths refer to it. */
export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
}

const resource = (apiVersion: string, kind: string, plural: string): Resource => ({
  apiVersion,
  kind,
  plural,
});

/** Every kind that chain-link touches. A fixed list, because discovery costs two requests and adds nothing. */
export const RESOURCES = {
  configMap: resource("v1", "ConfigMap", "configmaps"),
  deployment: resource("apps/v1", "Deployment", "deployments"),
  endpointSlice: resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
  event: resource("v1", "Event", "events"),
  job: resource("batch/v1", "Job", "jobs"),
  lease: resource("coordination.k8s.io/v1", "Lease", "leases"),
  namespace: resource("v1", "Namespace", "namespaces"),
  networkPolicy: resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
  persistentVolumeClaim: resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
  pod: resource("v1", "Pod", "pods"),
  secret: resource("v1", "Secret", "secrets"),
  service: resource("v1", "Service", "services"),
} as const;

/** Kinds that belong to a release and are deleted with it. */
export const MEMBER_RESOURCES: readonly Resource[] = [
  RESOURCES.configMap,
  RESOURCES.networkPolicy,
  RESOURCES.deployment,
  RESOURCES.service,
  RESOURCES.pod,
  RESOURCES.job,
];

/** Kinds that a release creates but never deletes, because their data may be needed later. */
export const KEPT_RESOURCES: readonly Resource[] = [RESOURCES.persistentVolumeClaim];

export function isKept({ kind }: Pick<KubernetesObject, "kind">): boolean {
  return KEPT_RESOURCES.some((resource) => resource.kind === kind);
}

/** @throws {TypeError} for a kind that no release contains */
export function resourceOf({ apiVersion, kind }: Pick<KubernetesObject, "apiVersion" | "kind">): Resource {
  const resources = [...MEMBER_RESOURCES, ...KEPT_RESOURCES];
  const found = resources.find((it) => it.kind === kind && it.apiVersion === apiVersion);
  if (found === undefined) throw new TypeError(`a release has no ${apiVersion} ${kind}`);
  return found;
}

/** Returns the path of a collection, or of one object in it. Namespaces are cluster-scoped. */
export function resourcePath(
  { apiVersion, plural }: Resource,
  namespace: string | null,
  name?: string,
): string {
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = namespace === null ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${scope}/${plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}
