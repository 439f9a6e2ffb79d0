import type { RandomSource } from "../lib/random.ts";
import { buildChain, chainOf } from "../topology/chain.ts";
import type { LinkLog } from "./log.ts";
import { type Roles, rolesOf } from "./roles.ts";
import { readServicesFile, watchServicesFile } from "./services-file.ts";

/** Where a link gets the list of services and its own behavior from. */
export type RoleSource =
  /** A plain chain: a list of names in a file, as in the original. The file is watched for changes. */
  | {
      readonly kind: "file";
      readonly path: string;
      readonly slow: boolean;
      /** Length of the chain, used while the list does not contain this link; `null` if unknown. */
      readonly instances: number | null;
    }
  /** Known from the start; links of one process share them. */
  | { readonly kind: "roles"; readonly roles: Roles };

/** @throws {UserError} `services-file-invalid` */
export function loadRoles(source: RoleSource, name: string, randomOf: RandomSource): Roles {
  if (source.kind === "roles") return source.roles;
  const { path, slow, instances } = source;
  const listed = rolesOf(chainOf(readServicesFile(path), { slow }), randomOf);
  // deploy starts the additional links of a longer chain before it changes the list.
  const isListed = instances === null || listed.findOwn(name) !== undefined;
  return isListed ? listed : rolesOf(buildChain(instances, { slow }), randomOf);
}

/** Calls `onChange` with the roles of each new list; it returns whether they are used. */
export function watchRoles(
  source: Extract<RoleSource, { kind: "file" }>,
  current: readonly string[],
  randomOf: RandomSource,
  log: LinkLog,
  onChange: (roles: Roles) => boolean,
): { close(): void } {
  return watchServicesFile(
    source.path,
    current,
    (names) => {
      const isTaken = onChange(rolesOf(chainOf(names, { slow: source.slow }), randomOf));
      const note = isTaken ? "" : " (without this link, which keeps its previous list)";
      log.info(`new services: ${formatNames(names)}${note}`);
    },
    (message) => log.error(message),
  );
}

/** In Python's list syntax, which the original logs. */
export function formatNames(names: readonly string[]): string {
  return `[${names.map((name) => `'${name}'`).join(", ")}]`;
}
