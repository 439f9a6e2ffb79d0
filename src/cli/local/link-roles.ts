import { UserError } from "../../lib/errors.ts";
import type { RandomSource } from "../../lib/random.ts";
import { findNearest } from "../../lib/suggestion.ts";
import type { RoleSource } from "../../link/role-source.ts";
import { rolesOf, singleRole } from "../../link/roles.ts";
import { SLOW_REQUEST_MS } from "../../topology/model.ts";
import { readTopologyFile } from "../common/topology-input.ts";

interface RoleFlags {
  readonly name: string;
  readonly "services-file": string;
  readonly topology: string | null;
  readonly service: string | null;
  readonly instances: number | null;
  readonly slow: "on" | "off";
}

/**
 * Chooses where a link's behavior comes from: a topology document, its own entry of one, or the original's list.
 * @throws {UserError} `usage`, `topology-invalid`, `services-file-invalid`
 */
export async function chooseRoles(flags: RoleFlags, randomOf: RandomSource): Promise<RoleSource> {
  if (flags.topology !== null && flags.service !== null) {
    throw new UserError(
      "usage",
      "--topology and --service were both given",
      "Use one of them: both define the link's behavior.",
    );
  }
  if (flags.topology !== null) {
    const topology = await readTopologyFile(flags.topology, flags.slow === "on");
    if (!topology.services.has(flags.name)) {
      const nearest = findNearest(flags.name, topology.services.keys());
      const hint =
        nearest === undefined ? "Use --name to name one of its services." : `Did you mean --name ${nearest}?`;
      throw new UserError("usage", `${flags.topology} has no service ${JSON.stringify(flags.name)}`, hint);
    }
    return { kind: "roles", roles: rolesOf(topology, randomOf) };
  }
  if (flags.service !== null) {
    const { parseService } = await import("../../topology/parse.ts");
    const service = parseService(flags.service, flags.name, "--service");
    // An entry does not say whether it belongs to a chain, whose links are sometimes slow; the chain's length does.
    const slow =
      flags.slow === "on" && flags.instances !== null
        ? { probability: 1 / flags.instances, delayMs: SLOW_REQUEST_MS }
        : null;
    const own = { ...service, behavior: { ...service.behavior, slow } };
    return { kind: "roles", roles: singleRole(own, randomOf) };
  }
  const { instances } = flags;
  return { kind: "file", path: flags["services-file"], slow: flags.slow === "on", instances };
}
