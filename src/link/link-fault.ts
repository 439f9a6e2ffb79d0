import type { PreparedErrorRule } from "./behavior-draws.ts";
import type { Role, Roles } from "./roles.ts";

/** A fault that a person causes in a running link, in addition to its topology. */
export interface LinkFault {
  /** Added to each request. */
  readonly latencyMs: number;
  /** Share (0 to 1) of requests that are answered with 500. */
  readonly errorRate: number;
  /** Nothing listens on its port. The owner of the link stops and starts it. */
  readonly isStopped: boolean;
}

export const NO_FAULT: LinkFault = { latencyMs: 0, errorRate: 0, isStopped: false };

/** The part that a link applies to its own roles. */
export type RoleFault = Pick<LinkFault, "latencyMs" | "errorRate">;

const FAILURE: PreparedErrorRule = {
  fault: { kind: "status", status: 500, rate: 1, after: null },
  drawAfterMs: null,
};

/** Applies a fault to the link's own role. A link reads its roles anyway, so this costs nothing on the hot path. */
export function withLinkFault(roles: Roles, linkName: string, fault: RoleFault): Roles {
  const own = roles.findOwn(linkName);
  if (own === undefined) return roles;
  const faulty = withFault(own, fault);
  return {
    names: roles.names,
    hash: roles.hash,
    find: (name) => (name === own.name ? faulty : roles.find(name)),
    findOwn: (name) => (name === linkName ? faulty : roles.findOwn(name)),
  };
}

function withFault(role: Role, { latencyMs, errorRate }: RoleFault): Role {
  const { drawLatencyMs, drawFault } = role.behavior;
  const random = role.randomOf("disturbance");
  return {
    ...role,
    behavior: {
      ...role.behavior,
      isPlain: false,
      drawLatencyMs: latencyMs === 0 ? drawLatencyMs : () => latencyMs + (drawLatencyMs?.() ?? 0),
      drawFault:
        errorRate === 0 ? drawFault : () => (random() < errorRate ? FAILURE : (drawFault?.() ?? null)),
    },
  };
}
