import { type FSWatcher, readFileSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { errorCode, errorText, UserError } from "../lib/errors.ts";

/** A service name, or `host:port`. */
const ENTRY = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?::\d{1,5})?$/;

/** Changes come in bursts: a ConfigMap volume swaps links and removes folders. */
const SETTLE_MS = 100;

/**
 * The services of a file: a JSON list of distinct names, at least one.
 * @throws {UserError} `services-file-invalid`
 */
export function readServicesFile(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const problem = errorCode(error) === "ENOENT" ? "does not exist" : `cannot be read: ${errorText(error)}`;
    const hint = "Name it with --services-file, or use --topology.";
    throw new UserError("services-file-invalid", `the services file ${path} ${problem}`, hint, {
      cause: error,
    });
  }
  return parseServices(text, path);
}

function parseServices(text: string, path: string): string[] {
  const invalid = (found: string) =>
    new UserError(
      "services-file-invalid",
      `the services file ${path} must be a JSON list of service names, found ${found}`,
      'Example: ["chain-link-service-0", "chain-link-service-1"]',
    );
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw invalid(`no JSON (${errorText(error)})`);
  }
  if (!Array.isArray(content)) throw invalid(content === null ? "null" : `a ${typeof content}`);
  if (content.length === 0) throw invalid("an empty list");
  const seen = new Set<string>();
  for (const [index, entry] of content.entries()) {
    if (typeof entry !== "string" || !ENTRY.test(entry))
      throw invalid(`${JSON.stringify(entry)} at position ${index}`);
    if (seen.has(entry)) throw invalid(`${JSON.stringify(entry)} twice`);
    seen.add(entry);
  }
  return [...seen];
}

/**
 * Calls `onChange` with the new list whenever the file holds another one. A list that cannot be used is reported and
 * the last good one stays. The folder is watched, as a ConfigMap volume swaps a link beside the file.
 */
export function watchServicesFile(
  path: string,
  onChange: (names: readonly string[]) => void,
  onError: (message: string) => void,
): { close(): void } {
  let last = "";
  let timer: Timer | undefined;
  const reload = () => {
    try {
      const names = readServicesFile(path);
      const text = JSON.stringify(names);
      if (text !== last) onChange(names);
      last = text;
    } catch (error) {
      onError(errorText(error));
    }
  };
  try {
    last = JSON.stringify(readServicesFile(path));
  } catch {
    // The caller has read it once already and decides what a bad file means at start.
  }
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(dirname(path), (_event, name) => {
      if (name !== null && name !== basename(path) && !name.startsWith("..")) return;
      clearTimeout(timer);
      timer = setTimeout(reload, SETTLE_MS);
    });
    watcher.on("error", (error) => onError(`cannot watch ${dirname(path)}: ${errorText(error)}`));
  } catch (error) {
    onError(`cannot watch ${dirname(path)}: ${errorText(error)}`);
  }
  return {
    close() {
      clearTimeout(timer);
      watcher?.close();
    },
  };
}
