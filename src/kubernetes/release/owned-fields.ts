// https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
import { isRecord } from "../../lib/record.ts";
import type { FieldSet, LiveObject, ManagedFields } from "../api/live-object.ts";
import type { KubernetesObject } from "../object.ts";

/** Who applies the members of a release. */
export const FIELD_MANAGER = "chain-link";

/**
 * Whether applying `wanted` would change nothing: every field of it has the live value, and the fields that we own
 * are exactly those. The live object's own record of ownership says how its lists are keyed, so no schema is needed.
 * `false` may be wrong (a value written in another way), `true` is not: then nothing has to be sent.
 */
export function isApplied(wanted: KubernetesObject, live: LiveObject): boolean {
  const owned = findOwned(live);
  if (owned === undefined) return false;
  const { apiVersion, kind, metadata, ...fields } = wanted;
  const { name, namespace, ...described } = metadata;
  return isSame(plain({ ...fields, metadata: described }), live, owned);
}

/** What we own of a live object; `undefined` when we never applied it. */
export function findOwned(live: LiveObject): FieldSet | undefined {
  return live.metadata.managedFields?.find(
    ({ manager, operation, subresource }) =>
      manager === FIELD_MANAGER && operation === "Apply" && subresource === undefined,
  )?.fieldsV1;
}

/** Who scaled it: the manager that owns `spec.replicas` through the subresource `scale`. */
export function findScaler(live: LiveObject): ManagedFields | undefined {
  return live.metadata.managedFields?.find((entry) => entry.subresource === "scale" && ownsReplicas(entry));
}

/**
 * Whether the number of replicas was set through the subresource `scale`. The server records a manager for that, except
 * for a number of 0, which takes the field from whoever had it and gives it to nobody.
 */
export function isScaled(live: LiveObject): boolean {
  const isOurs = live.kind === "Deployment" && findOwned(live) !== undefined;
  return findScaler(live) !== undefined || (isOurs && !live.metadata.managedFields?.some(ownsReplicas));
}

function ownsReplicas({ fieldsV1 }: ManagedFields): boolean {
  return fieldsV1?.["f:spec"]?.["f:replicas"] !== undefined;
}

/** Managers of an object besides us, each once. */
export function listManagers(live: LiveObject): string[] {
  const names = (live.metadata.managedFields ?? []).filter(({ subresource }) => subresource !== "status");
  return [...new Set(names.map(({ manager }) => manager))].filter((name) => name !== FIELD_MANAGER);
}

function isSame(wanted: unknown, live: unknown, owned: FieldSet): boolean {
  const keys = Object.keys(owned).filter((key) => key !== ".");
  // A leaf, or a map or list that is owned as a whole.
  if (keys.length === 0) return Bun.deepEquals(wanted, live);
  if (Array.isArray(wanted)) return Array.isArray(live) && isSameList(wanted, live, owned, keys);
  if (!isRecord(wanted) || !isRecord(live)) return false;
  const names = Object.keys(wanted);
  return (
    names.length === keys.length &&
    names.every((name) => {
      const inner = owned[`f:${name}`];
      return inner !== undefined && Object.hasOwn(live, name) && isSame(wanted[name], live[name], inner);
    })
  );
}

function isSameList(
  wanted: readonly unknown[],
  live: readonly unknown[],
  owned: FieldSet,
  keys: readonly string[],
): boolean {
  if (wanted.length !== keys.length) return false;
  return keys.every((key) => {
    const inner = owned[key];
    if (inner === undefined) return false;
    if (key.startsWith("v:")) {
      const value: unknown = JSON.parse(key.slice(2));
      return wanted.includes(value) && live.includes(value);
    }
    if (!key.startsWith("k:")) return false;
    const id = JSON.parse(key.slice(2)) as Record<string, unknown>;
    // What is wanted may leave out a key that has a default: a port's protocol.
    const matches = wanted.filter((item) => hasKey(item, id, true));
    const ours = live.filter((item) => hasKey(item, id, false));
    return matches.length === 1 && ours.length === 1 && isSame(matches[0], ours[0], inner);
  });
}

function hasKey(item: unknown, id: Readonly<Record<string, unknown>>, mayLack: boolean): boolean {
  if (!isRecord(item)) return false;
  return Object.entries(id).every(([name, value]) =>
    Object.hasOwn(item, name) ? Bun.deepEquals(item[name], value) : mayLack,
  );
}

/** As it will be sent: without keys whose value is `undefined`. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
