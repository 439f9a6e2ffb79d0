import { toJsonSchema } from "@valibot/to-json-schema";
import { sharedSchemas, topologySchema } from "../src/topology/document.ts";

/** Builds the JSON Schema of topology documents from the checks that the parser uses. */
export function renderTopologySchema(): string {
  // Only the parser checks relations between values, such as the order of quantiles.
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

/** Editors understand `false`; few understand `{ not: {} }`. */
function closeMappings(key: string, value: unknown): unknown {
  return key === "additionalProperties" && JSON.stringify(value) === '{"not":{}}' ? false : value;
}
