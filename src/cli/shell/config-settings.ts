import { UserError } from "../../lib/errors.ts";
import { type ConfigTexts, readConfigFile, removeConfigFile, writeConfigFile } from "./config-file.ts";
import type { FlagTable, FlagValues } from "./flags.ts";
import { CONFIG_FILE_FLAG } from "./global-flags.ts";
import type { Output } from "./output.ts";
import { resolveSettings, type Setting, type SettingSources } from "./settings.ts";

/**
 * Resolves the settings of a command that uses the config file. A missing file is created from the defaults and the
 * flags of this run, as in the original, but only by a command that `creates` it; `discard` removes it again when the run
 * fails. An existing file is never written.
 * @throws {UserError} `config-invalid`, `file-unwritable`, `usage`
 */
export function applyConfigFile<F extends FlagTable>(
  table: F,
  sources: Omit<SettingSources, "file">,
  use: "reads" | "creates",
  output: Output,
): {
  readonly settings: readonly Setting[];
  readonly values: FlagValues<F>;
  readonly discard?: () => void;
} {
  const { values: own, settings: ownSettings } = resolveSettings(CONFIG_FILE_FLAG, {
    ...sources,
    file: null,
  });
  const path = own["config-file"];
  const file = readConfigFile(path);
  if (file === null) {
    // Validate everything first: a run with invalid flags creates no file.
    const resolved = resolveSettings(table, { ...sources, file: null });
    if (use === "reads") return resolved;
    output.warn("Config file does not exist, creating one now");
    try {
      const isCreated = writeConfigFile(path, fileTexts(table, sources.given));
      output.info(`Created config file: ${path}`);
      return isCreated ? { ...resolved, discard: () => removeConfigFile(path) } : resolved;
    } catch (error) {
      // The user did not ask for this path: in a container without a home, continue without the file.
      const isAsked = ownSettings.some(({ origin }) => origin !== "default");
      if (isAsked || !(error instanceof UserError)) throw error;
      output.warn(`${error.message}; continuing without it`);
    }
    return resolved;
  }
  const notice = `Using existing config file: ${path}`;
  // Cluster commands print this after the cluster has answered, so that it does not precede an unrelated error.
  if (table.kubeconfig === undefined) output.warn(notice);
  else output.hold(notice);
  for (const { key, line, nearest } of file.unknownKeys) {
    output.warn(
      `${path}:${line}: unknown key ${key}${nearest === undefined ? "" : ` (did you mean ${nearest}?)`}`,
    );
  }
  return resolveSettings(table, { ...sources, file: { path, values: file.values } });
}

function fileTexts(table: FlagTable, given: SettingSources["given"]): ConfigTexts {
  const textOf = (key: string): string => {
    const [name, flag] = Object.entries(table).find(([, it]) => it.configKey === key) ?? [];
    if (name === undefined || flag === undefined) return "";
    return given.get(name)?.at(-1) ?? flag.fallbackText ?? String(flag.fallback);
  };
  return {
    instances: textOf("instances"),
    namespace: textOf("namespace"),
    // The default image has a version: stored, it would outlive an upgrade of chain-link.
    ...(given.has("chain-link-image") && { chain_link_image: textOf("chain_link_image") }),
    sleep_time: textOf("sleep_time"),
  };
}
