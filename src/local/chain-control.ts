import type { Controlled } from "../collector/control-desk.ts";
import type { TopologyAnswer } from "../contract/topology-answer.ts";
import { NO_FAULT } from "../link/link-fault.ts";
import type { Load } from "../load/generator.ts";
import { describeBehavior } from "../topology/describe.ts";
import { isCall, type Topology } from "../topology/model.ts";
import type { LocalChain } from "./local-chain.ts";

/** Lets the control desk act on a chain on this machine, and on its load once there is one. */
export function controlChain(
  topology: Topology,
  chain: LocalChain,
  findLoad: () => Load | null,
  startRate: number,
): Controlled {
  let ratePerSecond = startRate;
  const links = new Map(chain.links.map((link) => [link.name, link]));
  return {
    services: [...topology.services.keys()],
    get gone() {
      return chain.links.filter(({ isLost }) => isLost).map(({ name }) => name);
    },
    topology: describeTopology(topology),
    async setFault(link, fault) {
      await links.get(link)?.setFault({
        latencyMs: fault.latencyMs ?? NO_FAULT.latencyMs,
        errorRate: fault.errorRate ?? NO_FAULT.errorRate,
        isStopped: fault.isStopped ?? NO_FAULT.isStopped,
      });
    },
    get load() {
      const load = findLoad();
      if (load === null) return null;
      return {
        ratePerSecond,
        setRate(changed: number) {
          ratePerSecond = changed;
          load.setRate(changed);
        },
      };
    },
  };
}

/** The answer of `GET /api/topology`. */
export function describeTopology({ name, entry, services }: Topology): TopologyAnswer {
  return {
    name,
    entry,
    services: [...services.values()].map((service) => ({
      name: service.name,
      calls: service.steps
        .flat()
        .filter(isCall)
        .map((call) => ({ service: call.service, probability: call.probability })),
      behavior: describeBehavior(service.behavior),
    })),
  };
}
