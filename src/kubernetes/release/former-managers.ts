// The rule is client-go's: https://github.com/kubernetes/client-go/blob/master/util/csaupgrade/upgrade.go
import type { ApiClient } from "../api/client.ts";
import type { FieldSet, LiveObject, ManagedFields } from "../api/live-object.ts";
import type { Resource } from "../api/resource.ts";
import { hasReason } from "../api/status.ts";
import { FIELD_MANAGER } from "./owned-fields.ts";

/** Managers that made an object as a whole. As long as they own fields, a field that we stop applying stays. */
const FORMER_MANAGERS: Readonly<Record<ManagedFields["operation"], readonly string[]>> = {
  Update: [
    "kubectl-client-side-apply",
    "kubectl-create",
    "kubectl-replace",
    "before-first-apply",
    // The original's: the Python client's user agent up to its slash.
    "OpenAPI-Generator",
  ],
  Apply: ["kubectl"],
};
const LAST_APPLIED = "f:kubectl.kubernetes.io/last-applied-configuration";

/** Whether managers of before an adoption still own fields of an object. */
export function hasFormerManager({ metadata }: LiveObject): boolean {
  return metadata.managedFields?.some(isFormer) ?? false;
}

/**
 * Makes fields of former managers ours, as `kubectl apply --server-side` does before its own apply: that then removes
 * those that are not wanted.
 */
export async function inheritFields(
  client: ApiClient,
  resource: Resource,
  namespace: string,
  name: string,
): Promise<void> {
  for (;;) {
    const live = await client.get(resource, namespace, name);
    if (!hasFormerManager(live)) return;
    const { resourceVersion } = live.metadata;
    const metadata = { resourceVersion, managedFields: mergeFormer(live.metadata.managedFields ?? []) };
    try {
      await client.mergePatch(resource, namespace, name, { metadata }, FIELD_MANAGER);
      return;
    } catch (error) {
      // It was changed since it was read: most likely by a controller.
      if (!hasReason(error, "Conflict")) throw error;
    }
  }
}

/** The entries of an object without former managers; what they owned is in ours. */
export function mergeFormer(entries: readonly ManagedFields[]): ManagedFields[] {
  const isOurs = ({ manager, operation, subresource }: ManagedFields) =>
    manager === FIELD_MANAGER && operation === "Apply" && subresource === undefined;
  const inherited = entries.filter((entry) => isOurs(entry) || isFormer(entry));
  const [first] = inherited.toSorted((a, b) => Number(isOurs(b)) - Number(isOurs(a)));
  if (first === undefined) return [...entries];
  const fields = inherited.map(({ fieldsV1 = {} }) => fieldsV1).reduce(unite);
  return [
    ...entries.filter((entry) => !inherited.includes(entry)),
    { ...first, manager: FIELD_MANAGER, operation: "Apply", fieldsV1: withoutLastApplied(fields) },
  ];
}

function isFormer({ manager, operation, subresource }: ManagedFields): boolean {
  return subresource === undefined && FORMER_MANAGERS[operation].includes(manager);
}

function unite(a: FieldSet, b: FieldSet): FieldSet {
  const united: Record<string, FieldSet> = { ...a };
  for (const [key, inner] of Object.entries(b)) united[key] = unite(united[key] ?? {}, inner);
  return united;
}

function withoutLastApplied(fields: FieldSet): FieldSet {
  return without(fields, ["f:metadata", "f:annotations", LAST_APPLIED]);
}

/** A set without one path. A map of which nothing is left goes, too: empty, it would stand for the map as a whole. */
function without(fields: FieldSet, [key = "", ...rest]: readonly string[]): FieldSet {
  const { [key]: found, ...others } = fields;
  if (found === undefined || rest.length === 0) return others;
  const inner = without(found, rest);
  return Object.keys(inner).some((name) => name !== ".") ? { ...others, [key]: inner } : others;
}
