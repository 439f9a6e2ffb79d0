import type { PreparedErrorRule } from "./behaviour.ts";
import type { Role, Roles } from "./roles.ts";

/** What is done to a link from outside while it runs, besides what its topology says. */
export interface LinkFault {
  /** Added to each request. */
  readonly latencyMs: number;
  /** Share (0 to 1) of requests that are answered with 500. */
  readonly errorRate: number;
}

const FAILURE: PreparedErrorRule = {
  fault: { kind: "status", status: 500, rate: 1, after: null },
  drawAfterMs: null,
};

/** The same roles, but the link's own behaves worse. A link reads its roles anyway: this costs its hot path nothing. */
export function withLinkFault(roles: Roles, linkName: string, disturbance: LinkFault): Roles {
  const own = roles.findOwn(linkName);
  if (own === undefined) return roles;
  const disturbed = disturbRole(own, disturbance);
  return {
    names: roles.names,
    hash: roles.hash,
    find: (name) => (name === own.name ? disturbed : roles.find(name)),
    findOwn: (name) => (name === linkName ? disturbed : roles.findOwn(name)),
  };
}

function disturbRole(role: Role, { latencyMs, errorRate }: LinkFault): Role {
  const { drawLatencyMs, drawFault } = role.behaviour;
  const random = role.randomOf("disturbance");
  return {
    ...role,
    behaviour: {
      ...role.behaviour,
      isPlain: false,
      drawLatencyMs: latencyMs === 0 ? drawLatencyMs : () => latencyMs + (drawLatencyMs?.() ?? 0),
      drawFault:
        errorRate === 0 ? drawFault : () => (random() < errorRate ? FAILURE : (drawFault?.() ?? null)),
    },
  };
}
