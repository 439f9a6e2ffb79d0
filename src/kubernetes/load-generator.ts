import { CONTAINER_SECURITY, POD_HARDENING, POD_SECURITY } from "./hardening.ts";
import { DEFAULT_IMAGE, imagePullPolicy } from "./images.ts";
import { memberLabels } from "./labels.ts";
import type { KubernetesObject, ObjectOptions } from "./object.ts";

export const LOAD_GENERATOR = "loadgenerator";

/** Seconds between two requests when nobody says how many, as in the original. */
export const DEFAULT_SLEEP_SECONDS = 60;

/** Where it serves `/ledger`, `/metrics` and `/health`. */
export const LOAD_GENERATOR_PORT = 8080;

export const LOAD_GENERATOR_SELECTOR = Object.freeze({ app: "chain-link", service: LOAD_GENERATOR });

/** The Pod that asks the service `entry`, over and over. */
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

/** The part of a Pod that sends to the service `entry` as `pace` says, and serves its account. */
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
          // The account of the run, for verify, and metrics: reached through the API server.
          ...["--serve", `0.0.0.0:${LOAD_GENERATOR_PORT}`],
        ],
        // A node learns where the entry's Service leads a moment after the first pod behind it is ready.
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
