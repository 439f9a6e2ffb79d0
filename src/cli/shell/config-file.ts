import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname } from "node:path";
import { errorCode, errorText, UserError } from "../../lib/errors.ts";
import { findNearest } from "../../lib/suggestion.ts";

/** What a configuration file says: the texts of its keys. */
export interface ConfigFile {
  readonly values: ReadonlyMap<string, string>;
  /** Keys that nobody knows, with the nearest known one. */
  readonly unknownKeys: readonly {
    readonly key: string;
    readonly line: number;
    readonly nearest: string | undefined;
  }[];
}

/** The keys, in the order in which the file is written. */
export const CONFIG_KEYS = ["instances", "namespace", "chain_link_image", "sleep_time"] as const;

/** The home folder in place of a leading `~`. */
export function expandHome(path: string): string {
  return path === "~" || path.startsWith("~/") ? homedir() + path.slice(1) : path;
}

/**
 * Reads the file in the dialect of Python's `configparser`; `null` when there is none.
 * @throws {UserError} `config-invalid`, with the line
 */
export function readConfigFile(path: string): ConfigFile | null {
  let text: string;
  try {
    text = readFileSync(expandHome(path), "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    const hint = "Name another with --config-file.";
    throw new UserError("config-invalid", `${path} cannot be read: ${errorText(error)}`, hint, {
      cause: error,
    });
  }
  return parseConfig(text, path);
}

function parseConfig(text: string, path: string): ConfigFile {
  const values = new Map<string, string>();
  const lines = new Map<string, number>();
  let section: string | null = null;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#") || trimmed.startsWith(";")) continue;
    const header = /^\[([^\]]*)\]$/.exec(trimmed);
    if (header !== null) {
      section = header[1] ?? "";
      continue;
    }
    const pair = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(trimmed);
    const invalid = (expected: string) =>
      new UserError(
        "config-invalid",
        `${path}:${index + 1}: expected ${expected}, found ${JSON.stringify(trimmed.slice(0, 60))}`,
        "Mend the line, or move the file away: the next run makes a new one.",
      );
    if (section === null) throw invalid("the section header [DEFAULT] first");
    if (pair === null) throw invalid('a line "key = value"');
    // Other sections are none of ours, as for the original.
    if (section !== "DEFAULT") continue;
    const key = (pair[1] ?? "").toLowerCase();
    if (values.has(key)) throw invalid(`each key once (${key} is in line ${lines.get(key)} already)`);
    values.set(key, pair[2] ?? "");
    lines.set(key, index + 1);
  }
  const unknownKeys = [...values.keys()]
    .filter((key) => !CONFIG_KEYS.some((known) => known === key))
    .map((key) => ({ key, line: lines.get(key) ?? 0, nearest: findNearest(key, CONFIG_KEYS) }));
  return { values, unknownKeys };
}

/**
 * Makes the file, and the folders above it.
 * @throws {UserError} `file-unwritable`
 */
export function writeConfigFile(
  path: string,
  values: Readonly<Record<(typeof CONFIG_KEYS)[number], string>>,
): void {
  const lines = CONFIG_KEYS.map((key) => `${key} = ${values[key]}`);
  const target = expandHome(path);
  try {
    mkdirSync(dirname(target), { recursive: true });
    writeNew(target, `[DEFAULT]\n${lines.join("\n")}\n\n`);
  } catch (error) {
    const hint = "Name a file that can be written with --config-file.";
    throw new UserError("file-unwritable", `cannot make ${path}: ${errorText(error)}`, hint, {
      cause: error,
    });
  }
}

/** A second run at the same moment may have made the file: that one stays. */
function writeNew(target: string, text: string): void {
  try {
    writeFileSync(target, text, { flag: "wx" });
  } catch (error) {
    if (errorCode(error) === "EEXIST") return;
    // What a full disk took of it would be read as the whole file the next time.
    rmSync(target, { force: true });
    throw error;
  }
}
