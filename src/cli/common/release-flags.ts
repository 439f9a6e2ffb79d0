import { DEFAULT_IMAGE } from "../../kubernetes/images.ts";
import { DEFAULT_SLEEP_SECONDS } from "../../kubernetes/load-generator.ts";
import { isImageReference, isNamespaceName, isStorageSize } from "../../kubernetes/names.ts";
import type { CollectorChoice, ObjectOptions } from "../../kubernetes/object.ts";
import { hideSecrets } from "../../lib/endpoint.ts";
import { UserError } from "../../lib/errors.ts";
import {
  checkedFlag,
  choiceFlag,
  type Flag,
  type FlagValues,
  integerFlag,
  parseUrl,
  switchFlag,
  textFlag,
  Unfit,
} from "../shell/flags.ts";
import type { Output } from "../shell/output.ts";
import { POD_FLAGS, readPodSettings } from "./pod-flags.ts";
import { INSTANCES_FLAG, SLOW_FLAG } from "./topology-input.ts";

/** The desired state of a release. The first flags are the original's. */
export const RELEASE_FLAGS = {
  instances: INSTANCES_FLAG,
  namespace: checkedFlag(
    "chain-link",
    isNamespaceName,
    "a namespace: lower-case letters, digits and -, at most 63 characters",
    { summary: "Namespace of the release.", short: "n", placeholder: "NAME", configKey: "namespace" },
  ),
  "chain-link-image": checkedFlag(
    DEFAULT_IMAGE,
    isImageReference,
    "an image such as registry.example/chain-link:1.0",
    {
      summary: "Image of the links and of the load generator.",
      placeholder: "IMAGE",
      env: ["CHAIN_LINK_IMAGE"],
      configKey: "chain_link_image",
    },
  ),
  "sleep-time": integerFlag(
    DEFAULT_SLEEP_SECONDS,
    { min: 1, max: 86_400 },
    {
      summary: "Seconds between requests of the load generator.",
      placeholder: "SECONDS",
      configKey: "sleep_time",
    },
  ),
  collector: collectorFlag(),
  "collector-storage": checkedFlag(null, isStorageSize, "a size of at least 64Mi, such as 1Gi", {
    summary: "With --collector embedded: size of a volume that keeps its spans.",
    placeholder: "SIZE",
  }),
  "collector-storage-class": textFlag(null, {
    summary: "Storage class of the collector's volume; otherwise the cluster's default.",
    placeholder: "NAME",
  }),
  "network-policy": choiceFlag("none", ["none", "edges"], {
    summary: "edges: create NetworkPolicies so that only its callers can reach a link.",
  }),
  canary: switchFlag({
    summary: "Also deploy a canary, which verifies continuously and serves Prometheus metrics.",
  }),
  slow: SLOW_FLAG,
  ...POD_FLAGS,
} as const;

export type ReleaseValues = FlagValues<typeof RELEASE_FLAGS>;

function collectorFlag(): Flag<CollectorChoice> {
  return {
    summary:
      "Trace collector to deploy with the links: zipkin, embedded (chain-link's own), or the URL of an existing one.",
    placeholder: "embedded|zipkin|URL",
    fallback: "zipkin",
    hide: hideSecrets,
    parse: (texts) => {
      const text = texts.at(-1) ?? "";
      if (text === "zipkin" || text === "embedded") return text;
      const url = parseUrl(text);
      if (url instanceof Unfit) return new Unfit(`embedded, zipkin, or ${url.expected}`);
      return Object.keys(url.headers).length === 0
        ? { url: url.url }
        : new Unfit("a URL without user and password, because manifests would show them");
    },
  };
}

/** Converts the flags into options for building the objects. */
export function readObjectOptions(flags: Omit<ReleaseValues, "instances" | "slow">): ObjectOptions {
  const { "collector-storage": size, "collector-storage-class": storageClass } = flags;
  if (size !== null && flags.collector !== "embedded")
    throw new UserError(
      "usage",
      "--collector-storage needs --collector embedded",
      "Zipkin keeps its spans in memory.",
    );
  if (size === null && storageClass !== null)
    throw new UserError(
      "usage",
      "--collector-storage-class needs --collector-storage",
      "Add a size, such as --collector-storage 1Gi.",
    );
  return {
    namespace: flags.namespace,
    image: flags["chain-link-image"],
    sleepSeconds: flags["sleep-time"],
    networkPolicy: flags["network-policy"],
    canary: flags.canary,
    pods: readPodSettings(flags),
    collector: flags.collector,
    collectorStorage: size === null ? null : { size, storageClass },
  };
}

/** Prints the original's first lines. */
export function describeRelease(
  links: number,
  flags: Pick<ReleaseValues, "namespace" | "chain-link-image" | "sleep-time">,
  output: Output,
): void {
  output.info(
    "Using the following configuration...",
    `Number of instances: ${links}`,
    `Namespace: ${flags.namespace}`,
    `ChainLink image: ${flags["chain-link-image"]}`,
    `Loadgenerator sleep time: ${flags["sleep-time"]}`,
  );
}
