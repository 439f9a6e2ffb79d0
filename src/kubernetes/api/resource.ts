import type { KubernetesObject } from "../object.ts";

/** A kind of object as the API's paths name it. */
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

/** Every kind that we touch. Written down: discovery would cost two requests and could not tell more. */
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

/** Kinds that a release may hold, and that go with it. */
export const MEMBER_RESOURCES: readonly Resource[] = [
  RESOURCES.configMap,
  RESOURCES.networkPolicy,
  RESOURCES.deployment,
  RESOURCES.service,
  RESOURCES.pod,
  RESOURCES.job,
];

/** Kinds that a release makes and leaves behind: what they hold is worth more than it. */
export const KEPT_RESOURCES: readonly Resource[] = [RESOURCES.persistentVolumeClaim];

export function isKept({ kind }: Pick<KubernetesObject, "kind">): boolean {
  return KEPT_RESOURCES.some((resource) => resource.kind === kind);
}

/** @throws {TypeError} for a kind that releases do not have */
export function resourceOf({ apiVersion, kind }: Pick<KubernetesObject, "apiVersion" | "kind">): Resource {
  const resources = [...MEMBER_RESOURCES, ...KEPT_RESOURCES];
  const found = resources.find((it) => it.kind === kind && it.apiVersion === apiVersion);
  if (found === undefined) throw new TypeError(`a release has no ${apiVersion} ${kind}`);
  return found;
}

/** The path of a collection, or of one object in it. A Namespace has no namespace. */
export function resourcePath(
  { apiVersion, plural }: Resource,
  namespace: string | null,
  name?: string,
): string {
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = namespace === null ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${scope}/${plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}
