// https://github.com/istio/tools/tree/master/isotope#service-graphyaml
import { dump } from "js-yaml";
import { formatDuration } from "../lib/duration.ts";
import { formatPercentage, parsePercentage } from "../lib/percentage.ts";
import { isRecord } from "../lib/record.ts";
import { formatSize } from "../lib/size.ts";
import { findNearest } from "../lib/suggestion.ts";
import { findGraphProblems } from "./graph.ts";
import { readGoDuration, readGoPercentage, readGoSize } from "./isotope-values.ts";
import { MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES } from "./model.ts";
import { describeValue, formatPath, type PathKey, type Problem, TopologyError } from "./problem.ts";
import { readSource } from "./source.ts";

/** A part of an isotope document that has no counterpart here, and what became of it. */
export interface Loss {
  readonly path: readonly PathKey[];
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

export interface ImportedTopology {
  /** A topology document. */
  readonly yaml: string;
  /** In the order of the document. */
  readonly losses: readonly Loss[];
}

/** Keys of isotope and of its forks, besides those that are read below. */
const GRAPH_KEYS = ["apiVersion", "kind", "defaults", "services"];
const DEFAULT_KEYS = ["type", "numReplicas", "errorRate", "responseSize", "requestSize", "script"];
const SERVICE_KEYS = ["name", "type", "numReplicas", "isEntrypoint", "errorRate", "responseSize", "script"];
const CALL_KEYS = ["service", "size", "probability"];

/** Lines of lists and mappings below this depth are written as `[…]` and `{…}`. */
const FLOW_LEVEL = 4;

/**
 * Turns a service graph of isotope into a topology document that behaves alike.
 * @throws {TopologyError} with every problem of the document
 */
export function importIsotope(text: string, sourceName: string): ImportedTopology {
  const source = readSource(text);
  if (!("value" in source)) throw new TopologyError(sourceName, [source]);
  const reading = new Reading();
  reading.problems.push(...source.duplicates);
  const document = reading.readGraph(source.value);
  if (reading.problems.length > 0) {
    throw new TopologyError(
      sourceName,
      reading.problems.map((problem) => source.place(problem)),
    );
  }
  const losses = reading.losses.map(({ problem, text: said }): Loss => {
    const { line, column, path } = source.place(problem);
    return { path, line, column, text: said };
  });
  losses.sort((a, b) => a.line - b.line || a.column - b.column);
  return { yaml: dump(document, { flowLevel: FLOW_LEVEL, lineWidth: 120 }), losses };
}

/** A loss as people read it. */
export function describeLoss(sourceName: string, { path, line, column, text }: Loss): string {
  return `${sourceName}:${line}:${column}: ${formatPath(path)}: ${text}`;
}

type Path = readonly PathKey[];
type Entry = Record<string, unknown>;

class Reading {
  readonly problems: Problem[] = [];
  readonly losses: { problem: Problem; text: string }[] = [];
  /** Where in the isotope document a part of ours comes from, by the path of ours. */
  readonly #origins = new Map<string, Path>();
  readonly #said = new Set<string>();
  #defaultRequestBytes = 0;

  readGraph(value: unknown): object {
    const graph = this.#mapping(value, []);
    this.#noteUnknown(graph, [], GRAPH_KEYS);
    const defaults = this.#mapping(graph.defaults ?? {}, ["defaults"]);
    this.#noteUnknown(defaults, ["defaults"], DEFAULT_KEYS);
    this.#defaultRequestBytes = this.#size(
      defaults.requestSize,
      ["defaults", "requestSize"],
      MAX_REQUEST_BYTES,
    );
    const request = this.#defaultRequestBytes;
    const settings = {
      ...this.#readBehaviour(defaults, ["defaults"]),
      ...(request === 0 ? {} : { request: formatSize(request) }),
    };
    const services = this.#readServices(graph.services, defaults);
    return {
      apiVersion: "chain-link.dev/v1",
      kind: "Topology",
      ...(Object.keys(settings).length === 0 ? {} : { defaults: settings }),
      services,
    };
  }

  #readServices(value: unknown, defaults: Entry): Record<string, unknown> {
    if (!Array.isArray(value) || value.length === 0) {
      this.#expect(["services"], "a list of services, at least one", value);
      return {};
    }
    const services = Object.create(null) as Record<string, Entry>;
    const entries: string[] = [];
    for (const [index, item] of value.entries()) {
      const path = ["services", index];
      const entry = this.#mapping(item, path);
      if (entry !== item) continue;
      const { name } = entry;
      if (typeof name !== "string" || name === "") {
        this.#expect([...path, "name"], "the name of a service", name);
        continue;
      }
      if (name in services) {
        this.#expect([...path, "name"], "each name once", name);
        continue;
      }
      this.#origins.set(keyOf(["services", name]), [...path, "name"]);
      if (this.#isEntry(entry, path, entries)) entries.push(name);
      services[name] = this.#readService(name, entry, path, defaults);
    }
    this.#findEntry(services, entries);
    this.#findGraphProblems(services);
    return { ...services };
  }

  #readService(name: string, entry: Entry, path: Path, defaults: Entry): Entry {
    this.#noteUnknown(entry, path, SERVICE_KEYS);
    const hasOwnScript = entry.script !== undefined;
    const script = hasOwnScript ? entry.script : defaults.script;
    const scriptPath = hasOwnScript ? [...path, "script"] : ["defaults", "script"];
    const calls = this.#readScript(name, script ?? [], scriptPath);
    return {
      ...(entry.isEntrypoint === true ? { entry: true } : {}),
      ...this.#readBehaviour(entry, path),
      ...(calls.length === 0 ? {} : { calls }),
    };
  }

  /** What a service and the defaults may both say. */
  #readBehaviour(entry: Entry, path: Path): Entry {
    const { type, numReplicas, errorRate, responseSize } = entry;
    const read: Entry = {};
    if (type !== undefined && type !== "http" && type !== "HTTP") {
      if (type === "grpc" || type === "gRPC") {
        this.#lose([...path, "type"], "links speak HTTP, not gRPC");
      } else this.#expect([...path, "type"], "http or grpc", type);
    }
    if (errorRate !== undefined) {
      const rate = readGoPercentage(errorRate);
      const expected = "a percentage such as 0.5% or a number from 0 to 1";
      if (rate === undefined) this.#expect([...path, "errorRate"], expected, errorRate);
      else if (rate > 0 || path.length > 1) read.errors = renderRate(rate);
    }
    const bytes = this.#size(responseSize, [...path, "responseSize"], MAX_RESPONSE_BYTES);
    if (bytes > 0) read.response = formatSize(bytes);
    if (numReplicas !== undefined) {
      const isCount =
        Number.isInteger(numReplicas) && Number(numReplicas) >= 0 && Number(numReplicas) <= 1000;
      if (isCount) read.replicas = numReplicas;
      else this.#expect([...path, "numReplicas"], "a whole number from 0 to 1000", numReplicas);
    }
    return read;
  }

  #readScript(name: string, script: unknown, path: Path): unknown[] {
    if (!Array.isArray(script)) {
      this.#expect(path, "a list of commands", script);
      return [];
    }
    const calls: unknown[] = [];
    for (const [index, command] of script.entries()) {
      const own = [...path, index];
      const place = ["services", name, "calls", calls.length];
      if (!Array.isArray(command)) {
        calls.push(this.#readCommand(command, own, place));
        continue;
      }
      const group = command.map((inner, at) => {
        return this.#readCommand(inner, [...own, at], [...place, at]);
      });
      if (group.length > 0) calls.push(group);
    }
    return calls;
  }

  /** `place` is where in our document the command will stand. */
  #readCommand(command: unknown, path: Path, place: Path): unknown {
    const keys = isRecord(command) ? Object.keys(command) : [];
    if (!isRecord(command) || keys.length !== 1 || !("sleep" in command || "call" in command)) {
      this.#expect(path, "a command: { sleep } or { call }", command);
      return { sleep: "0s" };
    }
    if ("sleep" in command) {
      const ms = readGoDuration(command.sleep);
      if (ms === undefined) this.#expect([...path, "sleep"], "a duration such as 10ms", command.sleep);
      return { sleep: ms === undefined || ms === 0 ? "0s" : formatDuration(ms) };
    }
    return this.#readCall(command.call, [...path, "call"], place);
  }

  #readCall(value: unknown, path: Path, place: Path): unknown {
    this.#origins.set(keyOf(place), path);
    if (typeof value === "string") return value;
    const call = this.#mapping(value, path);
    this.#noteUnknown(call, path, CALL_KEYS);
    const { service, size, probability } = call;
    if (typeof service !== "string") {
      this.#expect([...path, "service"], "the name of a service", service);
      return "";
    }
    this.#origins.set(keyOf([...place, "service"]), [...path, "service"]);
    const read: Entry = { service };
    if (size !== undefined) {
      const bytes = this.#size(size, [...path, "size"], MAX_REQUEST_BYTES);
      if (bytes !== this.#defaultRequestBytes) read.request = formatSize(bytes);
    }
    // 0 is as good as nothing there: the call is always made.
    if (probability !== undefined && probability !== 0) {
      const isShare = Number.isInteger(probability) && Number(probability) > 0 && Number(probability) <= 100;
      if (!isShare) this.#expect([...path, "probability"], "a whole number from 0 to 100", probability);
      else if (probability !== 100) read.probability = `${probability}%`;
    }
    return Object.keys(read).length === 1 ? service : read;
  }

  #isEntry({ isEntrypoint }: Entry, path: Path, entries: readonly string[]): boolean {
    if (isEntrypoint === undefined || isEntrypoint === false) return false;
    const own = [...path, "isEntrypoint"];
    if (isEntrypoint !== true) this.#expect(own, "true or false", isEntrypoint);
    else if (entries.length > 0) {
      this.#lose(own, `a topology has one entry, and ${JSON.stringify(entries[0])} is it`);
    }
    return isEntrypoint === true;
  }

  /** Leaves exactly one, where that can be done. */
  #findEntry(services: Record<string, Entry>, entries: readonly string[]): void {
    for (const name of entries.slice(1)) delete services[name]?.entry;
    if (entries.length > 0) return;
    const called = new Set(Object.values(services).flatMap(targetsOf));
    const [only, ...others] = Object.keys(services).filter((name) => !called.has(name));
    if (only === undefined || others.length > 0) return;
    services[only] = { entry: true, ...services[only] };
    this.#lose(["services"], `no isEntrypoint; ${JSON.stringify(only)} is the entry, as nobody calls it`);
  }

  #findGraphProblems(services: Record<string, Entry>): void {
    for (const problem of findGraphProblems(services)) {
      const path = this.#origins.get(keyOf(problem.path));
      const expected = problem.expected.replace('"entry: true"', '"isEntrypoint: true"');
      this.problems.push({ ...problem, expected, path: path ?? problem.path, atKey: path === undefined });
    }
  }

  /** 0 when there is none. */
  #size(value: unknown, path: Path, maxBytes: number): number {
    if (value === undefined) return 0;
    const bytes = readGoSize(value);
    if (bytes === undefined) {
      this.#expect(path, "a size such as 128, 1KB or 16 MiB", value);
      return 0;
    }
    if (bytes <= maxBytes) return bytes;
    this.#lose(path, `at most ${formatSize(maxBytes)}, which it is now`);
    return maxBytes;
  }

  #mapping(value: unknown, path: Path): Entry {
    if (isRecord(value)) return value;
    this.#expect(path, "a mapping", value);
    return {};
  }

  #noteUnknown(entry: Entry, path: Path, known: readonly string[]): void {
    for (const key of Object.keys(entry)) {
      if (known.includes(key)) continue;
      const nearest = findNearest(key, known);
      const meant = nearest === undefined ? "" : ` (did you mean ${JSON.stringify(nearest)}?)`;
      this.#lose([...path, key], `has no counterpart and is left out${meant}`, true);
    }
  }

  #expect(path: Path, expected: string, value: unknown): void {
    if (this.#isNew(path, expected)) this.problems.push({ path, expected, found: describeValue(value) });
  }

  #lose(path: Path, text: string, atKey = false): void {
    if (!this.#isNew(path, text)) return;
    this.losses.push({ problem: { path, expected: "", found: "", atKey }, text });
  }

  /** The script of the defaults is read for every service that has none. */
  #isNew(path: Path, text: string): boolean {
    const key = keyOf([...path, text]);
    if (this.#said.has(key)) return false;
    this.#said.add(key);
    return true;
  }
}

/** As a percentage, where that is the same number. */
function renderRate(rate: number): string | number {
  const text = formatPercentage(rate);
  return parsePercentage(text) === rate ? text : rate;
}

function targetsOf({ calls }: Entry): string[] {
  return (Array.isArray(calls) ? calls : []).flat().flatMap((action: unknown) => {
    if (typeof action === "string") return [action];
    return isRecord(action) && typeof action.service === "string" ? [action.service] : [];
  });
}

function keyOf(path: Path): string {
  return path.join("\0");
}
