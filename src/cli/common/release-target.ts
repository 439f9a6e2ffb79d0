import type { CollectorChoice, KubernetesObject, NetworkPolicyMode } from "../../kubernetes/object.ts";
import type { Target } from "../../kubernetes/release/deployment.ts";
import type { Topology } from "../../topology/model.ts";
import type { Output } from "../shell/output.ts";
import type { Setting } from "../shell/settings.ts";
import type { PodValues } from "./pod-flags.ts";
import { readObjectOptions } from "./release-flags.ts";
import { loadTopology } from "./topology-input.ts";

export interface TargetFlags extends PodValues {
  readonly instances: number;
  readonly namespace: string;
  readonly release: string;
  readonly "chain-link-image": string;
  readonly "sleep-time": number;
  readonly collector: CollectorChoice;
  readonly "collector-storage": string | null;
  readonly "collector-storage-class": string | null;
  readonly "network-policy": NetworkPolicyMode;
  readonly canary: boolean;
  readonly slow: "on" | "off";
}

/** The desired state that the command line describes. */
export async function readWanted(
  file: string | undefined,
  flags: TargetFlags,
  settings: readonly Setting[],
  output: Output,
): Promise<{ readonly topology: Topology; readonly target: Target }> {
  const topology = await loadTopology(file, {
    instances: flags.instances,
    slow: flags.slow === "on",
    settings,
    output,
  });
  const { buildObjects } = await import("../../kubernetes/objects.ts");
  const objects = buildObjects(topology, { ...readObjectOptions(flags), release: flags.release });
  return {
    topology,
    target: {
      objects: objects.filter(isMember),
      inputs: {
        topology: topology.name,
        links: topology.services.size,
        image: flags["chain-link-image"],
        sleepSeconds: flags["sleep-time"],
      },
    },
  };
}

/** The Namespace is not a member: pruning it would delete everything in it. */
function isMember({ kind }: KubernetesObject): boolean {
  return kind !== "Namespace";
}
