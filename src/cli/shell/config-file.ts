import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname } from "node:path";
import { errorCode, errorText, UserError } from "../../lib/errors.ts";
import { findNearest } from "../../lib/suggestion.ts";

/** The contents of a config file: values by key, as written. */
interface ConfigFile {
  readonly values: ReadonlyMap<string, string>;
  /** Unknown keys, each with the nearest known one. */
  readonly unknownKeys: readonly {
    readonly key: string;
    readonly line: number;
    readonly nearest: string | undefined;
  }[];
}

/** Known keys, in file order. */
const CONFIG_KEYS = ["instances", "namespace", "chain_link_image", "sleep_time"] as const;

/** Replaces a leading `~` with the home folder. */
export function expandHome(path: string): string {
  return path === "~" || path.startsWith("~/") ? homedir() + path.slice(1) : path;
}

/**
 * Reads the file in the dialect of Python's `configparser`; `null` when it does not exist.
 * @throws {UserError} `config-invalid`, with the line
 */
export function readConfigFile(path: string): ConfigFile | null {
  let text: string;
  try {
    text = readFileSync(expandHome(path), "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    const hint = "Use --config-file to name another file.";
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
        "Fix the line, or move the file away: the next run creates a new one.",
      );
    if (section === null) throw invalid("the section header [DEFAULT] first");
    if (pair === null) throw invalid('a line "key = value"');
    // Like the original, ignore other sections.
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

/** Values to write; a missing key is left to its default. */
export type ConfigTexts = Readonly<Partial<Record<(typeof CONFIG_KEYS)[number], string>>>;

/**
 * Creates the file and its parent folders.
 * @returns Whether this call created it: a concurrent run may have been faster, whose file is kept
 * @throws {UserError} `file-unwritable`
 */
export function writeConfigFile(path: string, values: ConfigTexts): boolean {
  const keys = CONFIG_KEYS.filter((key) => values[key] !== undefined);
  const lines = keys.map((key) => `${key} = ${values[key]}`);
  const target = expandHome(path);
  try {
    mkdirSync(dirname(target), { recursive: true });
    return writeNew(target, `[DEFAULT]\n${lines.join("\n")}\n\n`);
  } catch (error) {
    const hint = "Use --config-file to name a writable file.";
    throw new UserError("file-unwritable", `cannot create ${path}: ${errorText(error)}`, hint, {
      cause: error,
    });
  }
}

/** Removes a file that {@link writeConfigFile} created. */
export function removeConfigFile(path: string): void {
  rmSync(expandHome(path), { force: true });
}

function writeNew(target: string, text: string): boolean {
  try {
    writeFileSync(target, text, { flag: "wx" });
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    // A file cut short by a full disk would be read as complete next time.
    rmSync(target, { force: true });
    throw error;
  }
}
