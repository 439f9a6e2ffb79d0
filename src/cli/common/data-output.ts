import type { Plain } from "../../kubernetes/object.ts";
import { renderYaml } from "../../kubernetes/yaml.ts";

/** Renders data for programs as one document. */
export function renderData(format: "json" | "yaml", value: Plain): string {
  return format === "json" ? `${JSON.stringify(value, null, 2)}\n` : renderYaml(value);
}
