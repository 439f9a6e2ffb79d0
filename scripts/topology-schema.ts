import { toJsonSchema } from "@valibot/to-json-schema";
import { sharedSchemas, topologySchema } from "../src/topology/document.ts";

/** The JSON Schema of topology documents, made from the checks that the parser uses. */
export function renderTopologySchema(): string {
  // Checks across values (quantiles in order) have no counterpart; the parser makes them.
  const schema = toJsonSchema(topologySchema, {
    typeMode: "input",
    errorMode: "ignore",
    definitions: sharedSchemas,
  });
  const { $schema, ...rest } = schema;
  const described = {
    $schema,
    title: "chain-link topology",
    description: "Which services there are and whom they call.",
    ...rest,
  };
  return `${JSON.stringify(described, closeMappings, 2)}\n`;
}

/** Editors know `false`, and few know `{ not: {} }`. */
function closeMappings(key: string, value: unknown): unknown {
  return key === "additionalProperties" && JSON.stringify(value) === '{"not":{}}' ? false : value;
}
