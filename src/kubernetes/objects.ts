import { UserError } from "../lib/errors.ts";
import { chainOf } from "../topology/chain.ts";
import type { Service, Topology } from "../topology/model.ts";
import { buildCanary, CANARY, CANARY_LINKS } from "./canary.ts";
import { buildCollectorClaim } from "./collector-storage.ts";
import { buildLinkDeployment, buildLinkService, type LinkPlace } from "./link.ts";
import { buildLoadGenerator, LOAD_GENERATOR } from "./load-generator.ts";
import { buildNamespace } from "./namespace.ts";
import { buildNetworkPolicies } from "./network-policy.ts";
import type { KubernetesObject, ObjectOptions } from "./object.ts";
import { addPodSettings, mergePodSettings } from "./pod-settings.ts";
import { renderServiceEntry } from "./service-entry.ts";
import { buildServicesList, MAX_LIST_BYTES, SERVICES_LIST } from "./services-config-map.ts";
import { buildZipkinDeployment, buildZipkinService, ZIPKIN_DEPLOYMENT, ZIPKIN_SERVICE } from "./zipkin.ts";

/** Names taken by our own objects, or by the API server in the namespace `default`. */
const TAKEN_NAMES = [ZIPKIN_DEPLOYMENT, ZIPKIN_SERVICE, LOAD_GENERATOR, SERVICES_LIST];
const TAKEN_IN_DEFAULT = "kubernetes";

/** Linux limits one environment string, including its name, to 128 KiB. The kubelet adds nothing to it. */
const MAX_ENTRY_BYTES = 100 * 1024;

/**
 * Builds every object of a topology in the original's order: Namespace, ConfigMap (chains only), Zipkin, link Deployments, link
 * Services, load generator, and canary if requested. NetworkPolicies, if requested, precede what they protect.
 * Deterministic: the same input gives the same objects.
 * @throws {UserError} listing everything that Kubernetes would not accept
 */
export function buildObjects(topology: Topology, options: ObjectOptions): KubernetesObject[] {
  const links = topology.kind === "chain" ? placeChain(topology) : placeGraph(topology);
  const lists = topology.kind === "chain" ? [buildServicesList(topology.services.keys(), options)] : [];
  const { collectorStorage: storage = null } = options;
  throwProblems(topology, [
    ...findClashes(topology, options),
    ...findOversize(links),
    ...lists.flatMap(findLongList),
  ]);
  const objects = [
    buildNamespace(options.namespace),
    ...lists,
    ...(options.networkPolicy === "edges" ? buildNetworkPolicies(topology, links, options) : []),
    ...(options.collector === "embedded" && storage !== null ? [buildCollectorClaim(storage, options)] : []),
    ...(typeof options.collector !== "object"
      ? [buildZipkinDeployment(options), buildZipkinService(options)]
      : []),
    ...links.map((link) => buildLinkDeployment(link, options)),
    ...links.map((link) => buildLinkService(link, options)),
    buildLoadGenerator(topology.entry, options),
    ...(options.canary === true ? buildCanary(topology, options) : []),
  ];
  const own = new Map(links.map(({ deployment, service }) => [deployment, service.pods]));
  return objects.map((object) => {
    const ofLink = object.kind === "Deployment" ? own.get(object.metadata.name) : undefined;
    const pods = mergePodSettings([topology.pods, ofLink, options.pods]);
    return pods === null ? object : addPodSettings(object, pods);
  });
}

function placeChain(topology: Topology): LinkPlace[] {
  const plain = chainOf([...topology.services.keys()]).services;
  return Array.from(topology.services.values(), (service, instance) => ({
    service,
    deployment: `chain-link-deployment-${instance}`,
    selector: {
      app: "chain-link",
      instance: String(instance),
      "instance-name": `chain-link-${instance}`,
      "service-name": service.name,
    },
    env: chainEnv(service, plain.get(service.name), topology.services.size),
    readsList: true,
  }));
}

/**
 * A plain link reads everything from the services list. The chain's length is part of its pod, so a changed length rolls out
 * every link, and a complete rollout proves that every link has the new list. A link that is not in the list yet uses it too.
 */
function chainEnv(service: Service, plain: Service | undefined, length: number): LinkPlace["env"] {
  const entry = podEntry(service);
  const isPlain = plain !== undefined && entry === podEntry(plain);
  const slow = service.behavior.slow === null ? "off" : "on";
  return [
    { name: "CHAIN_LINK_SERVICE_NAME", value: service.name },
    { name: "CHAIN_LINK_INSTANCES", value: String(length) },
    ...(isPlain ? [] : [{ name: "CHAIN_LINK_SERVICE", value: entry }]),
    ...(isPlain && slow === "on" ? [] : [{ name: "CHAIN_LINK_SLOW", value: slow }]),
  ];
}

/** Omits `instance`: a service may be called `zipkin`, and that label selects Zipkin's pods. */
function placeGraph(topology: Topology): LinkPlace[] {
  return Array.from(topology.services.values(), (service) => ({
    service,
    deployment: service.name,
    selector: { app: "chain-link", "service-name": service.name },
    env: [
      { name: "CHAIN_LINK_SERVICE_NAME", value: service.name },
      { name: "CHAIN_LINK_SERVICE", value: podEntry(service) },
    ],
    readsList: false,
  }));
}

/** What one pod needs to know. The replica count is not part of it, or scaling would restart all pods. */
function podEntry(service: Service): string {
  return renderServiceEntry({ ...service, replicas: 1 });
}

function findClashes(topology: Topology, { namespace, canary = false }: ObjectOptions): string[] {
  const taken = [
    ...TAKEN_NAMES,
    ...(canary ? [CANARY, CANARY_LINKS] : []),
    ...(namespace === "default" ? [TAKEN_IN_DEFAULT] : []),
  ];
  return taken
    .filter((name) => topology.services.has(name))
    .map((name) => `service ${JSON.stringify(name)}: the name is taken by another object of the namespace`);
}

function findOversize(links: readonly LinkPlace[]): string[] {
  return links.flatMap(({ service, env }) =>
    env
      .map(({ value }) => Buffer.byteLength(value))
      .filter((sizeBytes) => sizeBytes > MAX_ENTRY_BYTES)
      .map(
        (sizeBytes) =>
          `service ${JSON.stringify(service.name)}: its calls take ${sizeBytes} bytes in the container's ` +
          `environment, which holds ${MAX_ENTRY_BYTES}`,
      ),
  );
}

function findLongList(list: KubernetesObject): string[] {
  const sizeBytes = Buffer.byteLength(JSON.stringify(list.data));
  return sizeBytes <= MAX_LIST_BYTES
    ? []
    : [`the list of services takes ${sizeBytes} bytes; a ConfigMap holds ${MAX_LIST_BYTES}`];
}

function throwProblems(topology: Topology, problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw new UserError(
    "topology-invalid",
    `topology ${JSON.stringify(topology.name)} does not fit into Kubernetes:\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
    "Rename the services, or use fewer services and calls.",
  );
}
