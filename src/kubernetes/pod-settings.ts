import type { PodSettings } from "../topology/model.ts";
import type { KubernetesObject, Labels, Plain } from "./object.ts";

/** Name that only a link's container has. */
const LINK_CONTAINER = "chain-link";

interface PodSpec {
  readonly containers: readonly Container[];
  readonly securityContext?: Readonly<Record<string, Plain>>;
  readonly [field: string]: unknown;
}

interface Container {
  readonly name: string;
  readonly resources?: { readonly limits?: Labels; readonly requests?: Labels };
  readonly securityContext?: Readonly<Record<string, Plain>>;
  readonly [field: string]: unknown;
}

interface Template {
  readonly metadata?: { readonly labels?: Labels; readonly annotations?: Labels };
  readonly spec: PodSpec;
}

/** Merges settings. Later ones win, field by field, and key by key within a map. */
export function mergePodSettings(all: readonly (PodSettings | undefined)[]): PodSettings | null {
  const given = all.filter((it) => it !== undefined);
  return given.length === 0 ? null : given.reduce(mergeTwo);
}

function mergeTwo(base: PodSettings, over: PodSettings): PodSettings {
  return {
    imagePullSecrets: over.imagePullSecrets.length > 0 ? over.imagePullSecrets : base.imagePullSecrets,
    tolerations: over.tolerations.length > 0 ? over.tolerations : base.tolerations,
    nodeSelector: { ...base.nodeSelector, ...over.nodeSelector },
    annotations: { ...base.annotations, ...over.annotations },
    labels: { ...base.labels, ...over.labels },
    requests: { ...base.requests, ...over.requests },
    limits: { ...base.limits, ...over.limits },
    runAsUser: over.runAsUser ?? base.runAsUser,
  };
}

/** Adds the settings to an object's pods. Returns objects without pods unchanged. */
export function addPodSettings(object: KubernetesObject, settings: PodSettings): KubernetesObject {
  if (object.kind === "Pod")
    return { ...object, ...applyTo(object as unknown as Template, settings) } as unknown as KubernetesObject;
  if (object.kind !== "Deployment") return object;
  const spec = object.spec as unknown as { readonly template: Template };
  return {
    ...object,
    spec: { ...spec, template: applyTo(spec.template, settings) },
  } as unknown as KubernetesObject;
}

function applyTo({ metadata = {}, ...template }: Template, settings: PodSettings): Template {
  const { imagePullSecrets, nodeSelector, tolerations, runAsUser } = settings;
  const { securityContext, containers } = template.spec;
  return {
    ...template,
    metadata: {
      ...metadata,
      ...given("annotations", { ...settings.annotations, ...metadata.annotations }),
      ...given("labels", { ...settings.labels, ...metadata.labels }),
    },
    spec: {
      ...template.spec,
      ...(imagePullSecrets.length === 0
        ? {}
        : { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
      ...given("nodeSelector", nodeSelector),
      ...(tolerations.length === 0 ? {} : { tolerations }),
      ...given("securityContext", withUser(securityContext, runAsUser)),
      containers: containers.map((container) => applyToContainer(container, settings)),
    },
  };
}

function applyToContainer(container: Container, { requests, limits, runAsUser }: PodSettings): Container {
  const { name, resources = {}, securityContext } = container;
  const isLink = name === LINK_CONTAINER;
  return {
    ...container,
    ...(isLink
      ? {
          resources: {
            limits: { ...resources.limits, ...limits },
            requests: { ...resources.requests, ...requests },
          },
        }
      : {}),
    ...given("securityContext", withUser(securityContext, runAsUser)),
  };
}

/** Sets the user of the pod, and of every container that sets its own. */
function withUser(
  securityContext: Readonly<Record<string, Plain>> = {},
  user: PodSettings["runAsUser"],
): Readonly<Record<string, Plain>> {
  if (user === null || securityContext.runAsUser === undefined) return securityContext;
  const { runAsUser: _, ...others } = securityContext;
  return user === "none" ? others : { ...others, runAsUser: user };
}

function given(key: string, value: object): Readonly<Record<string, object>> {
  return Object.keys(value).length === 0 ? {} : { [key]: value };
}
