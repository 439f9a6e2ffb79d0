import type { KubernetesObject } from "../../kubernetes/object.ts";
import type { Target } from "../../kubernetes/release/deployment.ts";
import type { Topology } from "../../topology/model.ts";
import type { Output } from "../shell/output.ts";
import type { Setting } from "../shell/settings.ts";
import { type ReleaseValues, readObjectOptions } from "./release-flags.ts";
import { loadTopology } from "./topology-input.ts";

/** The desired state that the command line describes. */
export async function readWanted(
  file: string | undefined,
  flags: ReleaseValues & { readonly release: string },
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
