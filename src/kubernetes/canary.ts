import { createHash } from "node:crypto";
import { LINK_PORT } from "../lib/default-address.ts";
import type { Topology } from "../topology/model.ts";
import { CONTAINER_SECURITY, POD_HARDENING, POD_SECURITY, PROGRESS_DEADLINE_SECONDS } from "./hardening.ts";
import { DEFAULT_IMAGE, imagePullPolicy } from "./images.ts";
import { memberLabels } from "./labels.ts";
import type { CollectorChoice, KubernetesObject, ObjectOptions } from "./object.ts";
import { renderServiceEntry } from "./service-entry.ts";
import { MAX_LIST_BYTES } from "./services-config-map.ts";
import { ZIPKIN_SERVICE } from "./zipkin.ts";

export const CANARY = "chain-link-canary";
/** Name of the headless Service that resolves to every pod of every link. */
export const CANARY_LINKS = "chain-link-canary-links";
export const CANARY_PORT = 8080;
export const CANARY_SELECTOR = Object.freeze({ app: "chain-link", service: CANARY });

const GRAPH_FOLDER = "/etc/chain-link-canary";
const GRAPH_FILE = "topology.json";

/**
 * Builds the canary: a Deployment that verifies the release continuously, a ConfigMap with the topology, and a headless Service
 * that resolves to every pod of every link, so that the canary can read the counters of each.
 */
export function buildCanary(topology: Topology, options: ObjectOptions): KubernetesObject[] {
  const { namespace, release } = options;
  const graph = renderDocument(topology);
  // The canary learns a graph that is too large for a ConfigMap from complete traces.
  const isGiven = Buffer.byteLength(graph) < MAX_LIST_BYTES;
  const metadata = { labels: memberLabels(CANARY, release), name: CANARY, namespace };
  return [
    ...(isGiven ? [{ apiVersion: "v1", data: { [GRAPH_FILE]: graph }, kind: "ConfigMap", metadata }] : []),
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { ...metadata, name: CANARY_LINKS },
      spec: {
        clusterIP: "None",
        ports: [{ port: LINK_PORT }],
        // A link that is not ready also has counters.
        publishNotReadyAddresses: true,
        selector: memberLabels("chain-link", release),
      },
    },
    buildDeployment(topology, options, isGiven ? hashOf(graph) : null),
  ];
}

/** @param graphHash `null` when the ConfigMap has no graph */
function buildDeployment(
  topology: Topology,
  options: ObjectOptions,
  graphHash: string | null,
): KubernetesObject {
  const { namespace, release } = options;
  const image = options.image ?? DEFAULT_IMAGE;
  const labels = memberLabels(CANARY, release);
  const graph = graphHash === null ? [] : ["--graph", `${GRAPH_FOLDER}/${GRAPH_FILE}`];
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { labels, name: CANARY, namespace },
    spec: {
      progressDeadlineSeconds: PROGRESS_DEADLINE_SECONDS,
      replicas: 1,
      selector: { matchLabels: CANARY_SELECTOR },
      template: {
        metadata: {
          annotations: {
            "prometheus.io/path": "/metrics",
            "prometheus.io/port": String(CANARY_PORT),
            "prometheus.io/scrape": "true",
            // A changed graph restarts the canary, which reads it only once.
            ...(graphHash === null ? {} : { "chain-link.dev/topology": graphHash }),
          },
          labels: { ...CANARY_SELECTOR, ...labels },
        },
        spec: {
          ...POD_HARDENING,
          containers: [
            {
              args: [
                ...["verify", "--forever", `http://${topology.entry}`],
                ...["--backend", backendOf(options.collector ?? "zipkin")],
                ...["--links-at", `http://${CANARY_LINKS}:${LINK_PORT}`, ...graph],
                ...["--serve", `0.0.0.0:${CANARY_PORT}`],
              ],
              image,
              imagePullPolicy: imagePullPolicy(image),
              name: "canary",
              ports: [{ containerPort: CANARY_PORT }],
              livenessProbe: { httpGet: { path: "/health", port: CANARY_PORT }, timeoutSeconds: 5 },
              readinessProbe: {
                httpGet: { path: "/readiness", port: CANARY_PORT },
                periodSeconds: 5,
                timeoutSeconds: 5,
              },
              resources: { limits: { memory: "256Mi" }, requests: { cpu: "10m", memory: "96Mi" } },
              securityContext: CONTAINER_SECURITY,
              ...(graphHash === null
                ? {}
                : { volumeMounts: [{ mountPath: GRAPH_FOLDER, name: CANARY, readOnly: true }] }),
            },
          ],
          securityContext: { ...POD_SECURITY, runAsUser: 65534 },
          terminationGracePeriodSeconds: 15,
          ...(graphHash === null ? {} : { volumes: [{ configMap: { name: CANARY }, name: CANARY }] }),
        },
      },
    },
  };
}

function backendOf(collector: CollectorChoice): string {
  if (typeof collector === "object") return `zipkin=${collector.url}`;
  return `${collector === "embedded" ? "collector" : "zipkin"}=http://${ZIPKIN_SERVICE}`;
}

/** Renders the topology as a document without replica counts, so that scaling does not restart the canary. */
function renderDocument(topology: Topology): string {
  const services = Array.from(topology.services.values(), (service) => {
    const entry = JSON.parse(renderServiceEntry({ ...service, replicas: 1 })) as Record<string, unknown>;
    return [service.name, service.name === topology.entry ? { entry: true, ...entry } : entry] as const;
  });
  return JSON.stringify({
    apiVersion: "chain-link.dev/v1",
    kind: "Topology",
    metadata: { name: topology.name },
    services: Object.fromEntries(services),
  });
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
