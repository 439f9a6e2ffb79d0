import { CONTAINER_SECURITY, POD_HARDENING, POD_SECURITY } from "./hardening.ts";
import { DEFAULT_IMAGE, imagePullPolicy } from "./images.ts";
import { memberLabels } from "./labels.ts";
import type { KubernetesObject, ObjectOptions } from "./object.ts";

export const LOAD_GENERATOR = "loadgenerator";

/** Default seconds between two requests, as in the original. */
export const DEFAULT_SLEEP_SECONDS = 60;

/** Port of `/ledger`, `/metrics` and `/health`. */
export const LOAD_GENERATOR_PORT = 8080;

export const LOAD_GENERATOR_SELECTOR = Object.freeze({ app: "chain-link", service: LOAD_GENERATOR });

/** Builds the Pod that sends requests to the service `entry` continuously. */
export function buildLoadGenerator(entry: string, options: ObjectOptions): KubernetesObject {
  const { sleepSeconds = DEFAULT_SLEEP_SECONDS } = options;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      labels: { ...LOAD_GENERATOR_SELECTOR, ...memberLabels(LOAD_GENERATOR, options.release) },
      name: LOAD_GENERATOR,
      namespace: options.namespace,
    },
    spec: buildLoadSpec(
      entry,
      ["--sleep-time", String(sleepSeconds)],
      options.image ?? DEFAULT_IMAGE,
      "Always",
    ),
  };
}

/** Builds the spec of a Pod that sends requests to `entry` at the given pace and serves the run's ledger. */
export function buildLoadSpec(
  entry: string,
  pace: readonly string[],
  image: string,
  restartPolicy: "Always" | "Never",
) {
  return {
    ...POD_HARDENING,
    containers: [
      {
        args: [
          ...["load", `http://${entry}`, ...pace],
          // verify reads the run's ledger and the metrics through the API server.
          ...["--serve", `0.0.0.0:${LOAD_GENERATOR_PORT}`],
        ],
        // Nodes learn the endpoints of the entry's Service shortly after its first pod is ready.
        env: [{ name: "CHAIN_LINK_WAIT_FOR_TARGET", value: "10s" }],
        image,
        imagePullPolicy: imagePullPolicy(image),
        name: LOAD_GENERATOR,
        ports: [{ containerPort: LOAD_GENERATOR_PORT }],
        resources: {
          limits: { memory: "256Mi" },
          requests: { cpu: "10m", memory: "64Mi" },
        },
        securityContext: { ...CONTAINER_SECURITY, runAsUser: 65534 },
      },
    ],
    restartPolicy,
    securityContext: POD_SECURITY,
    terminationGracePeriodSeconds: 10,
  };
}
