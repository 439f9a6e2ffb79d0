import { MANAGED_BY, MANAGER } from "./labels.ts";
import { buildNamespace } from "./namespace.ts";
import type { KubernetesObject } from "./object.ts";
import { renderYaml } from "./yaml.ts";

/** One object as a file, named `<metadata.name>-<lowercase kind>.yaml` as in the original. */
export interface ManifestFile {
  readonly name: string;
  readonly text: string;
}

export function renderManifest(object: KubernetesObject): ManifestFile {
  return { name: manifestFileName(object.metadata.name, object.kind), text: renderYaml(object) };
}

/** Yields all objects as one stream: YAML documents that each begin with `---`, or one JSON List. */
export function* renderStream(
  objects: Iterable<KubernetesObject>,
  format: "yaml" | "json",
): Generator<string, void, void> {
  if (format === "yaml") {
    for (const object of objects) yield `---\n${renderYaml(object)}`;
    return;
  }
  let separator = "";
  yield '{\n  "apiVersion": "v1",\n  "kind": "List",\n  "items": [';
  for (const object of objects) {
    yield `${separator}\n    ${JSON.stringify(object, null, 2).replaceAll("\n", "\n    ")}`;
    separator = ",";
  }
  yield "\n  ]\n}\n";
}

/** Where a manifest file comes from, judged by its name and content. */
export type Provenance =
  /** It carries our `managed-by` label and the file name that we would choose. */
  | { readonly kind: "ours"; readonly namespace: string }
  /** A Namespace without labels, exactly as we write it. Others could have written the same. */
  | { readonly kind: "bare-namespace"; readonly namespace: string }
  | { readonly kind: "foreign" };

/**
 * Distinguishes our files from a person's files in the same folder. The file name must match as well: a stream saved with
 * `generate -o yaml > all.yaml`, or a copy under another name, belongs to the person.
 */
export function readProvenance(fileName: string, text: string): Provenance {
  const kinds = [...text.matchAll(/^kind: (\w+)$/gm)];
  const [, kind = ""] = kinds[0] ?? [];
  const [, name = ""] = METADATA_NAME.exec(text) ?? [];
  if (kinds.length !== 1 || fileName !== manifestFileName(unquote(name), kind)) return { kind: "foreign" };
  if (text === renderYaml(buildNamespace(unquote(name))))
    return { kind: "bare-namespace", namespace: unquote(name) };
  const [, namespace] = METADATA_NAMESPACE.exec(text) ?? [];
  if (!OUR_LABEL.test(text) || namespace === undefined) return { kind: "foreign" };
  return { kind: "ours", namespace: unquote(namespace) };
}

function manifestFileName(name: string, kind: string): string {
  return `${name}-${kind.toLowerCase()}.yaml`;
}

/** In our files, the first key at this depth is always one of `metadata`. */
const METADATA_NAME = /^metadata:\n(?: {2}.*\n)*? {2}name: (.+)$/m;
const METADATA_NAMESPACE = /^metadata:\n(?: {2}.*\n)*? {2}namespace: (.+)$/m;
const OUR_LABEL = new RegExp(`^ {4}${RegExp.escape(MANAGED_BY)}: ${RegExp.escape(MANAGER)}$`, "m");

/** Names may be quoted because they look like numbers (`'123'`), but never contain escapes. */
function unquote(text: string): string {
  return text.replace(/^'(.*)'$/, "$1");
}
