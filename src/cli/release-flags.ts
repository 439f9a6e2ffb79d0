import { DEFAULT_IMAGE } from "../kubernetes/images.ts";
import { DEFAULT_SLEEP_SECONDS } from "../kubernetes/load-generator.ts";
import { isImageReference, isNamespaceName } from "../kubernetes/names.ts";
import { checkedFlag, integerFlag } from "./flags.ts";
import type { Output } from "./output.ts";
import { INSTANCES_FLAG, SLOW_FLAG } from "./topology-input.ts";

/** The original's flags of what is to stand in a cluster. */
export const RELEASE_FLAGS = {
  instances: INSTANCES_FLAG,
  namespace: checkedFlag(
    "chain-link",
    isNamespaceName,
    "a namespace: lower-case letters, digits and -, at most 63",
    { summary: "The namespace.", short: "n", placeholder: "NAME", configKey: "namespace" },
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
      summary: "Seconds between two requests of the load generator.",
      placeholder: "SECONDS",
      configKey: "sleep_time",
    },
  ),
  slow: SLOW_FLAG,
} as const;

/** The lines with which the original begins. */
export function describeRelease(
  links: number,
  flags: { readonly namespace: string; readonly "chain-link-image": string; readonly "sleep-time": number },
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
