import { ZIPKIN_PORT } from "../lib/default-address.ts";
import {
  ONE_AT_A_TIME,
  STORAGE_GROUP,
  STORAGE_MOUNT,
  STORAGE_VOLUME,
  storageArguments,
} from "./collector-storage.ts";
import {
  CONTAINER_SECURITY,
  POD_HARDENING,
  POD_SECURITY,
  PROGRESS_DEADLINE_SECONDS,
  TEMPORARY_MOUNT,
  TEMPORARY_VOLUME,
} from "./hardening.ts";
import { DEFAULT_IMAGE, imagePullPolicy, ZIPKIN_IMAGE } from "./images.ts";
import { memberLabels } from "./labels.ts";
import type { CollectorStorage, KubernetesObject, ObjectOptions, Plain } from "./object.ts";

export const ZIPKIN_DEPLOYMENT = "zipkin-deployment";
export const ZIPKIN_SERVICE = "zipkin-service";

export const ZIPKIN_SELECTOR = Object.freeze({ app: "chain-link", instance: "zipkin" });

/** Builds Zipkin, or our own collector under Zipkin's object names. */
export function buildZipkinDeployment(options: ObjectOptions): KubernetesObject {
  const { namespace, release, image = DEFAULT_IMAGE } = options;
  const isEmbedded = options.collector === "embedded";
  const storage = isEmbedded ? (options.collectorStorage ?? null) : null;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { labels: memberLabels("zipkin", release), name: ZIPKIN_DEPLOYMENT, namespace },
    spec: {
      progressDeadlineSeconds: PROGRESS_DEADLINE_SECONDS,
      replicas: 1,
      selector: { matchLabels: ZIPKIN_SELECTOR },
      ...(storage === null ? {} : { strategy: ONE_AT_A_TIME }),
      template: {
        metadata: { labels: { ...ZIPKIN_SELECTOR, ...memberLabels("zipkin", release) } },
        spec: {
          ...POD_HARDENING,
          containers: [isEmbedded ? buildCollector(image, storage) : ZIPKIN_CONTAINER],
          securityContext: {
            ...POD_SECURITY,
            ...(storage === null ? {} : STORAGE_GROUP),
            // Zipkin's image sets its user by name, which the kubelet cannot verify to be non-root.
            runAsUser: isEmbedded ? 10001 : 1000,
          },
          terminationGracePeriodSeconds: 30,
          volumes: storage === null ? [TEMPORARY_VOLUME] : [STORAGE_VOLUME, TEMPORARY_VOLUME],
        },
      },
    },
  };
}

export function buildZipkinService(options: ObjectOptions): KubernetesObject {
  const { namespace, release } = options;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      labels: { ...ZIPKIN_SELECTOR, ...memberLabels("zipkin", release) },
      name: ZIPKIN_SERVICE,
      namespace,
    },
    spec: { ports: [{ port: 80, targetPort: ZIPKIN_PORT }], selector: ZIPKIN_SELECTOR, type: "ClusterIP" },
  };
}

/**
 * Zipkin keeps spans on the heap and limits only their number, so these three figures belong together. Measured with
 * 450,000 spans of a chain of 5: 2.4 kB of heap per span (3.9 kB with all tags), and 160 MB for the JVM besides its heap.
 */
const MAX_SPANS = 100_000;
const MAX_HEAP_MIB = 512;
const MEMORY_LIMIT_MIB = 768;

const ZIPKIN_CONTAINER = {
  env: [
    { name: "JAVA_OPTS", value: `-Xms128m -Xmx${MAX_HEAP_MIB}m -XX:+ExitOnOutOfMemoryError` },
    { name: "MEM_MAX_SPANS", value: String(MAX_SPANS) },
  ],
  image: ZIPKIN_IMAGE,
  imagePullPolicy: imagePullPolicy(ZIPKIN_IMAGE),
  name: "zipkin",
  ports: [{ containerPort: ZIPKIN_PORT }],
  readinessProbe: {
    httpGet: { path: "/health", port: ZIPKIN_PORT },
    initialDelaySeconds: 5,
    periodSeconds: 5,
    timeoutSeconds: 5,
  },
  resources: {
    limits: { memory: `${MEMORY_LIMIT_MIB}Mi` },
    requests: { cpu: "100m", memory: "384Mi" },
  },
  securityContext: CONTAINER_SECURITY,
  volumeMounts: [TEMPORARY_MOUNT],
} as const;

/**
 * Builds our own collector in Zipkin's place. In memory it keeps at most 256 MiB and as many spans as Zipkin; on a volume, at
 * most half of the volume's size.
 */
function buildCollector(image: string, storage: CollectorStorage | null): Plain {
  const place = ["--host", "0.0.0.0", "--port", String(ZIPKIN_PORT)];
  return {
    args: [
      "collector",
      ...place,
      ...(storage === null ? ["--max-spans", String(MAX_SPANS)] : storageArguments(storage)),
    ],
    image,
    imagePullPolicy: imagePullPolicy(image),
    name: "collector",
    ports: [{ containerPort: ZIPKIN_PORT }],
    readinessProbe: { httpGet: { path: "/health", port: ZIPKIN_PORT }, periodSeconds: 5, timeoutSeconds: 5 },
    resources: { limits: { memory: "512Mi" }, requests: { cpu: "50m", memory: "96Mi" } },
    securityContext: CONTAINER_SECURITY,
    volumeMounts: storage === null ? [TEMPORARY_MOUNT] : [STORAGE_MOUNT, TEMPORARY_MOUNT],
  };
}
