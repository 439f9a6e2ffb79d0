import type { Random, RandomSource } from "../lib/random.ts";
import type { Service, Topology } from "../topology/model.ts";
import { hashServices } from "../topology/services-list.ts";
import { type BehaviorDraws, prepareDraws } from "./behavior-draws.ts";

/** What a link does when it plays one service of the topology. */
export interface Role {
  /** The service's name in the topology. */
  readonly name: string;
  readonly steps: Service["steps"];
  readonly behavior: BehaviorDraws;
  /** Draws which requests are slow in a plain chain. */
  readonly random: Random;
  /** A generator for each random part of this service, by name. */
  readonly randomOf: RandomSource;
}

/** The services that a link knows, with their roles. */
export interface Roles {
  readonly names: readonly string[];
  /** {@link hashServices} of `names`. */
  readonly hash: string;
  /** The role of a service by its exact name. */
  find(name: string): Role | undefined;
  /** The role of the link with this name; an entry `host:port` also belongs to `host`. */
  findOwn(linkName: string): Role | undefined;
}

/** The roles of a whole topology; each is prepared when first played. */
export function rolesOf(topology: Topology, randomOf: RandomSource): Roles {
  const names = [...topology.services.keys()];
  return new PreparedRoles(names, (name) => topology.services.get(name), randomOf);
}

/** The only role of a link that was given nothing but its own service. */
export function singleRole(service: Service, randomOf: RandomSource): Roles {
  return new PreparedRoles([service.name], (name) => (name === service.name ? service : undefined), randomOf);
}

class PreparedRoles implements Roles {
  readonly hash: string;
  readonly #prepared = new Map<string, Role>();
  /** Maps each `host` to its entry `host:port`. */
  readonly #withPort: ReadonlyMap<string, string>;

  constructor(
    readonly names: readonly string[],
    readonly service: (name: string) => Service | undefined,
    readonly randomOf: RandomSource,
  ) {
    this.hash = hashServices(names);
    const entries = names.filter((name) => name.includes(":")).reverse();
    // Reversed, so that the first entry wins if a host has several ports.
    this.#withPort = new Map(entries.map((name) => [name.slice(0, name.indexOf(":")), name]));
  }

  find(name: string): Role | undefined {
    const prepared = this.#prepared.get(name);
    if (prepared !== undefined) return prepared;
    const service = this.service(name);
    if (service === undefined) return undefined;
    const randomOf = (part: string) => this.randomOf(`${name}/${part}`);
    const role = {
      name,
      steps: service.steps,
      behavior: prepareDraws(service.behavior, randomOf),
      random: this.randomOf(name),
      randomOf,
    };
    this.#prepared.set(name, role);
    return role;
  }

  findOwn(linkName: string): Role | undefined {
    const exact = this.find(linkName);
    if (exact !== undefined) return exact;
    const withPort = this.#withPort.get(linkName);
    return withPort === undefined ? undefined : this.find(withPort);
  }
}
