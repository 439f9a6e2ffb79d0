import { LINK_PORT } from "../lib/default-address.ts";
import type { Behavior, Service } from "../topology/model.ts";
import {
  CONTAINER_SECURITY,
  POD_HARDENING,
  POD_SECURITY,
  PROGRESS_DEADLINE_SECONDS,
  TEMPORARY_MOUNT,
  TEMPORARY_VOLUME,
} from "./hardening.ts";
import { DEFAULT_IMAGE, imagePullPolicy } from "./images.ts";
import { memberLabels } from "./labels.ts";
import type { KubernetesObject, Labels, ObjectOptions, Plain } from "./object.ts";
import { SERVICES_LIST } from "./services-config-map.ts";

/** How one link appears in Kubernetes. */
export interface LinkPlace {
  readonly service: Service;
  /** Name of its Deployment; its Service has the service's name. */
  readonly deployment: string;
  /** Selects the link's pods. Immutable: it must never change for an existing Deployment. */
  readonly selector: Labels;
  /** Environment of its container. */
  readonly env: readonly { readonly name: string; readonly value: string }[];
  /** Whether its pods mount the services list. */
  readonly readsList: boolean;
}

/** Builds the Deployment of one link. It has no command, because the image's entrypoint runs a link. */
export function buildLinkDeployment(link: LinkPlace, options: ObjectOptions): KubernetesObject {
  const image = options.image ?? DEFAULT_IMAGE;
  const { namespace, release } = options;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { labels: memberLabels("chain-link", release), name: link.deployment, namespace },
    spec: {
      progressDeadlineSeconds: PROGRESS_DEADLINE_SECONDS + Math.ceil(link.service.behavior.startupMs / 1000),
      replicas: link.service.replicas,
      selector: { matchLabels: link.selector },
      template: {
        metadata: { labels: { ...link.selector, ...memberLabels("chain-link", release) } },
        spec: {
          ...POD_HARDENING,
          containers: [
            {
              env: [...link.env, ...buildCommonEnv(options)],
              image,
              imagePullPolicy: imagePullPolicy(image),
              name: "chain-link",
              readinessProbe: READINESS_PROBE,
              resources: buildResources(link.service.behavior),
              securityContext: CONTAINER_SECURITY,
              volumeMounts: link.readsList ? [LIST_MOUNT, TEMPORARY_MOUNT] : [TEMPORARY_MOUNT],
            },
          ],
          securityContext: SECURITY,
          terminationGracePeriodSeconds: GRACE_SECONDS + KILL_MARGIN_SECONDS,
          volumes: link.readsList ? [LIST_VOLUME, TEMPORARY_VOLUME] : [TEMPORARY_VOLUME],
        },
      },
    },
  };
}

export function buildLinkService(link: LinkPlace, options: ObjectOptions): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      labels: { ...link.selector, ...memberLabels("chain-link", options.release) },
      name: link.service.name,
      namespace: options.namespace,
    },
    spec: { ports: SERVICE_PORTS, selector: link.selector, type: "ClusterIP" },
  };
}

/**
 * A terminating pod keeps serving for a while, because Services route to it until every node has updated its rules. Then the
 * requests in flight may wait for slow links below, and the last spans are sent.
 */
const DRAIN_SECONDS = 5;
const GRACE_SECONDS = 25;
/** Keeps the kubelet's SIGKILL from arriving before the link has ended by itself. */
const KILL_MARGIN_SECONDS = 5;

function buildCommonEnv({ collector }: ObjectOptions): LinkPlace["env"] {
  return [
    { name: "CHAIN_LINK_DRAIN", value: `${DRAIN_SECONDS}s` },
    { name: "CHAIN_LINK_GRACE", value: `${GRACE_SECONDS}s` },
    ...(typeof collector === "object" ? [{ name: "CHAIN_LINK_ZIPKIN", value: collector.url }] : []),
  ];
}

const SECURITY = Object.freeze({ ...POD_SECURITY, runAsUser: 10001 });
const SERVICE_PORTS = Object.freeze([Object.freeze({ port: 80, targetPort: LINK_PORT })]);
const READINESS_PROBE = Object.freeze({
  httpGet: Object.freeze({ path: "/readiness", port: LINK_PORT }),
  initialDelaySeconds: 5,
  periodSeconds: 10,
});
const MIB = 1024 ** 2;
/** The original's image uses most of this limit, ours a fifth. */
const LIMIT_MIB = 256;
const REQUEST_MIB = 64;
/** Concurrent requests to reserve memory for when the topology sets no limit. */
const ASSUMED_REQUESTS = 64;

/** Reserves what a link needs itself plus the memory that its topology makes it hold. */
function buildResources({ memory, concurrency }: Behavior): Plain {
  const heldMib = Math.ceil(memory.heldBytes / MIB);
  const requestsMib = Math.ceil((memory.requestBytes * (concurrency?.limit ?? ASSUMED_REQUESTS)) / MIB);
  return {
    limits: { memory: `${LIMIT_MIB + heldMib + requestsMib}Mi` },
    requests: { cpu: "10m", memory: `${REQUEST_MIB + heldMib}Mi` },
  };
}

// The original's image does not start without a temporary folder, so pods mount TEMPORARY_MOUNT as well.
const LIST_MOUNT = Object.freeze({
  mountPath: "/etc/chain-link.conf.d",
  name: SERVICES_LIST,
  readOnly: true,
});
const LIST_VOLUME = Object.freeze({
  configMap: Object.freeze({ name: SERVICES_LIST }),
  name: SERVICES_LIST,
});
