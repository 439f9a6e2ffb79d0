import { type FSWatcher, readFileSync, watch } from "node:fs";
import { dirname } from "node:path";
import { errorCode, errorText, UserError } from "../lib/errors.ts";

/** A service name, or `host:port`. */
const ENTRY = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?::(\d{1,5}))?$/;
const MAX_PORT = 65_535;

/** Changes come in bursts: a ConfigMap volume swaps links and removes folders. */
const SETTLE_MS = 100;

/**
 * Reads the services in a file: a JSON list of distinct names, at least one.
 * @throws {UserError} `services-file-invalid`
 */
export function readServicesFile(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const problem = errorCode(error) === "ENOENT" ? "does not exist" : `cannot be read: ${errorText(error)}`;
    const hint =
      'It is a JSON list of names such as ["a", "b"]. Name it with --services-file, or use --topology.';
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
  if (!Array.isArray(content)) throw invalid(describeKind(content));
  if (content.length === 0) throw invalid("an empty list");
  const seen = new Set<string>();
  for (const [index, entry] of content.entries()) {
    if (!isEntry(entry)) throw invalid(`${JSON.stringify(entry)} at position ${index}`);
    if (seen.has(entry)) throw invalid(`${JSON.stringify(entry)} twice`);
    seen.add(entry);
  }
  return [...seen];
}

function describeKind(content: unknown): string {
  if (content === null) return "null";
  return typeof content === "object" ? "an object" : `a ${typeof content}`;
}

function isEntry(entry: unknown): entry is string {
  const match = typeof entry === "string" ? ENTRY.exec(entry) : null;
  if (match === null) return false;
  const port = Number(match[1] ?? 1);
  return port >= 1 && port <= MAX_PORT;
}

/**
 * Calls `onChange` with the new list whenever the file's list differs from the last one, which is `current` at first. An
 * invalid list is reported once, and the last valid one stays. Watches the folder, because a ConfigMap volume swaps a link
 * next to the file.
 */
export function watchServicesFile(
  path: string,
  current: readonly string[],
  onChange: (names: readonly string[]) => void,
  onError: (message: string) => void,
): { close(): void } {
  let last = JSON.stringify(current);
  let lastProblem = "";
  let timer: Timer | undefined;
  const reload = () => {
    timer = undefined;
    try {
      const names = readServicesFile(path);
      lastProblem = "";
      const text = JSON.stringify(names);
      if (text !== last) onChange(names);
      last = text;
    } catch (error) {
      const problem = errorText(error);
      if (problem !== lastProblem) onError(problem);
      lastProblem = problem;
    }
  };
  // React to any event in the folder, because the file names in events are unreliable. Later events do not postpone the
  // reading, so a busy folder cannot prevent it.
  const onEvent = () => {
    timer ??= setTimeout(reload, SETTLE_MS);
  };
  let watcher: FSWatcher | undefined;
  const onWatchError = (error: unknown) => onError(`cannot watch ${dirname(path)}: ${errorText(error)}`);
  try {
    watcher = watch(dirname(path), onEvent);
    watcher.on("error", onWatchError);
    // Picks up changes between the first reading and now.
    onEvent();
  } catch (error) {
    onWatchError(error);
  }
  return {
    close() {
      clearTimeout(timer);
      watcher?.close();
    },
  };
}
