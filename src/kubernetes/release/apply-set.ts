// The names are those that kubectl implements: https://github.com/kubernetes/kubectl/blob/master/pkg/cmd/apply/applyset.go
import { UserError } from "../../lib/errors.ts";
import { VERSION } from "../../lib/version.ts";
import type { KubernetesObject, Labels } from "../object.ts";

export const PART_OF_LABEL = "applyset.kubernetes.io/part-of";
const ID_LABEL = "applyset.kubernetes.io/id";
const TOOLING = "applyset.kubernetes.io/tooling";
const GROUP_KINDS = "applyset.kubernetes.io/contains-group-kinds";
const NAMESPACES = "applyset.kubernetes.io/additional-namespaces";

/** Who writes the parent; members have another manager. */
export const PARENT_MANAGER = "chain-link-applyset";

/** An object that can be the parent of a set. `group` is empty for the core group. */
interface ParentReference {
  readonly name: string;
  readonly namespace: string;
  readonly kind: string;
  readonly group: string;
}

export function parentOf(release: string, namespace: string): ParentReference {
  return { name: parentName(release), namespace, kind: "ConfigMap", group: "" };
}

export function parentName(release: string): string {
  return `chain-link.${release}`;
}

/** `applyset-<base64url of the SHA-256>-v1`: who knows the parent's name can compute it. */
export function applySetId({ name, namespace, kind, group }: ParentReference): string {
  const hash = new Bun.CryptoHasher("sha256")
    .update(`${name}.${namespace}.${kind}.${group}`)
    .digest("base64url");
  return `applyset-${hash}-v1`;
}

/** `Kind` or `Kind.group`, as the parent lists them. */
export function groupKindOf({ apiVersion, kind }: Pick<KubernetesObject, "apiVersion" | "kind">): string {
  const [group, version] = apiVersion.split("/");
  return version === undefined ? kind : `${kind}.${group}`;
}

/** The parent of a release's set, which names every kind that a member may have. */
export function buildParent(
  release: string,
  namespace: string,
  groupKinds: Iterable<string>,
): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: parentName(release),
      namespace,
      labels: { [ID_LABEL]: applySetId(parentOf(release, namespace)) },
      annotations: {
        [TOOLING]: `chain-link/v${VERSION}`,
        [GROUP_KINDS]: [...new Set(groupKinds)].sort().join(","),
        [NAMESPACES]: "",
      },
    },
  };
}

/**
 * The kinds that an existing parent names.
 * @throws {UserError} `release-invalid`: it is another tool's, or not the parent of the set that its name says
 */
export function readParent(
  release: string,
  metadata: { readonly namespace?: string; readonly labels?: Labels; readonly annotations?: Labels },
): string[] {
  const { namespace = "", labels = {}, annotations = {} } = metadata;
  const name = `ConfigMap ${JSON.stringify(parentName(release))} in namespace ${JSON.stringify(namespace)}`;
  const id = applySetId(parentOf(release, namespace));
  const hint = "Choose another name with --release, or remove the ConfigMap if nobody needs it.";
  const tooling = annotations[TOOLING];
  if (tooling === undefined || !tooling.startsWith("chain-link/")) {
    const found = tooling === undefined ? "none" : JSON.stringify(tooling);
    throw new UserError(
      "release-invalid",
      `${name}: expected the annotation ${TOOLING} of chain-link, found ${found}`,
      hint,
    );
  }
  if (labels[ID_LABEL] !== id) {
    const found = labels[ID_LABEL] === undefined ? "none" : JSON.stringify(labels[ID_LABEL]);
    throw new UserError(
      "release-invalid",
      `${name}: expected the label ${ID_LABEL}=${id}, found ${found}`,
      hint,
    );
  }
  const kinds = annotations[GROUP_KINDS];
  if (kinds === undefined) {
    throw new UserError(
      "release-invalid",
      `${name}: expected the annotation ${GROUP_KINDS}, found none`,
      hint,
    );
  }
  return kinds.split(",").filter((kind) => kind !== "");
}

/** The object as a member of a release's set. */
export function addMembership(object: KubernetesObject, id: string): KubernetesObject {
  const { labels = {}, ...metadata } = object.metadata;
  if (labels[PART_OF_LABEL] !== undefined) {
    throw new TypeError(`${object.kind} ${metadata.name} carries ${PART_OF_LABEL} already`);
  }
  return { ...object, metadata: { ...metadata, labels: { ...labels, [PART_OF_LABEL]: id } } };
}
