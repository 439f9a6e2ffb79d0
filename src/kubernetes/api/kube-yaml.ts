// Reads YAML as kubectl does: https://github.com/kubernetes-sigs/yaml
import { load, Schema, timestampTag, YAML11_SCHEMA } from "js-yaml";

/** YAML 1.1, except that dates are strings. */
const SCHEMA = new Schema(YAML11_SCHEMA.tags.filter((tag) => tag !== timestampTag));

/**
 * Parses the first document of a text and ignores the rest. A repeated key overwrites the earlier one.
 * @throws {YAMLException}
 */
export function parseKubeYaml(text: string): unknown {
  const [head = "", first] = text.split(/^---(?=\s|$)/m, 2);
  const isEmpty = head.split("\n").every((line) => /^\s*([#%]|$)/.test(line));
  const document = isEmpty ? (first ?? head) : head;
  // The parser rejects a text that contains only comments.
  if (/^(\s*(#.*)?(\r?\n|$))*$/.test(document)) return null;
  return withTexts(load(document, { schema: SCHEMA, json: true }));
}

/** `!!binary` yields bytes, which kubectl treats as text. */
function withTexts(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (Array.isArray(value)) return value.map(withTexts);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, it]) => [key, withTexts(it)]));
}
