// https://github.com/istio/tools/tree/master/isotope#service-graphyaml
import { dump } from "js-yaml";
import { formatDuration } from "../lib/duration.ts";
import { formatPercentage, parsePercentage } from "../lib/percentage.ts";
import { isRecord } from "../lib/record.ts";
import { formatSize } from "../lib/size.ts";
import { findGraphProblems, findUncalled } from "./graph.ts";
import { findSlowCalls } from "./isotope-durations.ts";
import { type Loss, Remarks } from "./isotope-remarks.ts";
import { readGoDuration, readGoPercentage, readGoSize } from "./isotope-values.ts";
import { CALL_TIMEOUT_MS, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES } from "./model.ts";
import { type PathKey, TopologyError } from "./problem.ts";
import { readSource } from "./source.ts";

interface ImportedTopology {
  /** A topology document. */
  readonly yaml: string;
  /** In the order of the document. */
  readonly losses: readonly Loss[];
}

/** Keys of isotope and of its forks that are known. */
const GRAPH_KEYS = ["apiVersion", "kind", "defaults", "services"];
const DEFAULT_KEYS = ["type", "numReplicas", "errorRate", "responseSize", "requestSize", "script"];
const SERVICE_KEYS = ["name", "type", "numReplicas", "isEntrypoint", "errorRate", "responseSize", "script"];
const CALL_KEYS = ["service", "size", "probability"];

/** Lists and mappings below this depth are written in flow style, `[…]` and `{…}`. */
const FLOW_LEVEL = 4;

/**
 * Converts an isotope service graph into a topology document that behaves like it.
 * @throws {TopologyError} with every problem of the document
 */
export function importIsotope(text: string, sourceName: string): ImportedTopology {
  const source = readSource(text);
  if (!("value" in source)) throw new TopologyError(sourceName, [source]);
  const remarks = new Remarks(source);
  const document = new Reading(remarks).readGraph(source.value);
  const problems = remarks.problems();
  if (problems.length > 0) throw new TopologyError(sourceName, problems);
  return { yaml: dump(document, { flowLevel: FLOW_LEVEL, lineWidth: 120 }), losses: remarks.losses() };
}

type Path = readonly PathKey[];
type Entry = Record<string, unknown>;

class Reading {
  readonly #remarks: Remarks;
  /** Maps a path in our document to the path in the isotope document that it comes from. */
  readonly #origins = new Map<string, Path>();
  #defaultRequestBytes = 0;

  constructor(remarks: Remarks) {
    this.#remarks = remarks;
  }

  readGraph(value: unknown): object {
    const graph = this.#mapping(value, []);
    this.#remarks.noteUnknown(graph, [], GRAPH_KEYS);
    const defaults = this.#mapping(graph.defaults ?? {}, ["defaults"]);
    this.#remarks.noteUnknown(defaults, ["defaults"], DEFAULT_KEYS);
    this.#defaultRequestBytes = this.#size(
      defaults.requestSize,
      ["defaults", "requestSize"],
      MAX_REQUEST_BYTES,
    );
    const request = this.#defaultRequestBytes;
    const settings = {
      ...this.#readBehavior(defaults, ["defaults"]),
      ...(request === 0 ? {} : { request: formatSize(request) }),
    };
    const services = this.#readServices(graph.services, defaults);
    for (const place of findSlowCalls(services as Record<string, Entry>, CALL_TIMEOUT_MS)) {
      this.#remarks.lose(
        this.#origins.get(keyOf(place)) ?? ["services"],
        `its callee sleeps too long: calls time out after ${formatDuration(CALL_TIMEOUT_MS)} here, but never in isotope; set a timeout`,
      );
    }
    return {
      apiVersion: "chain-link.dev/v1",
      kind: "Topology",
      ...(Object.keys(settings).length === 0 ? {} : { defaults: settings }),
      services,
    };
  }

  #readServices(value: unknown, defaults: Entry): Record<string, unknown> {
    if (!Array.isArray(value) || value.length === 0) {
      this.#remarks.expect(["services"], "a list of services, at least one", value);
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
        this.#remarks.expect([...path, "name"], "the name of a service", name);
        continue;
      }
      if (name in services) {
        this.#remarks.expect([...path, "name"], "each name once", name);
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
    this.#remarks.noteUnknown(entry, path, SERVICE_KEYS);
    const hasOwnScript = entry.script !== undefined;
    const script = hasOwnScript ? entry.script : defaults.script;
    const scriptPath = hasOwnScript ? [...path, "script"] : ["defaults", "script"];
    const calls = this.#readScript(name, script ?? [], scriptPath);
    return {
      ...(entry.isEntrypoint === true ? { entry: true } : {}),
      ...this.#readBehavior(entry, path),
      ...(calls.length === 0 ? {} : { calls }),
    };
  }

  /** Reads the settings that both a service and the defaults may have. */
  #readBehavior(entry: Entry, path: Path): Entry {
    const { type, numReplicas, errorRate, responseSize } = entry;
    const read: Entry = {};
    if (type !== undefined && type !== "http" && type !== "HTTP") {
      if (type === "grpc" || type === "gRPC") {
        this.#remarks.lose([...path, "type"], "links speak HTTP, not gRPC");
      } else this.#remarks.expect([...path, "type"], "http or grpc", type);
    }
    if (errorRate !== undefined) {
      const rate = readGoPercentage(errorRate);
      const expected = "a percentage such as 0.5% or a number from 0 to 1";
      if (rate === undefined) this.#remarks.expect([...path, "errorRate"], expected, errorRate);
      else if (rate > 0 || path.length > 1) read.errors = renderRate(rate);
    }
    const bytes = this.#size(responseSize, [...path, "responseSize"], MAX_RESPONSE_BYTES);
    // In a service, an explicit 0 overrides the defaults.
    const isOverride = path.length > 1 && responseSize !== undefined;
    if (bytes > 0 || isOverride) read.response = formatSize(bytes);
    if (numReplicas !== undefined) {
      const isCount =
        Number.isInteger(numReplicas) && Number(numReplicas) >= 0 && Number(numReplicas) <= 1000;
      if (isCount) read.replicas = numReplicas;
      else this.#remarks.expect([...path, "numReplicas"], "a whole number from 0 to 1000", numReplicas);
    }
    return read;
  }

  #readScript(name: string, script: unknown, path: Path): unknown[] {
    if (!Array.isArray(script)) {
      this.#remarks.expect(path, "a list of commands", script);
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

  /** `place` is the path that the command will have in our document. */
  #readCommand(command: unknown, path: Path, place: Path): unknown {
    const keys = isRecord(command) ? Object.keys(command) : [];
    if (!isRecord(command) || keys.length !== 1 || !("sleep" in command || "call" in command)) {
      this.#remarks.expect(path, "a command: { sleep } or { call }", command);
      return { sleep: "0s" };
    }
    if ("sleep" in command) {
      const ms = readGoDuration(command.sleep);
      if (ms === undefined)
        this.#remarks.expect([...path, "sleep"], "a duration such as 10ms", command.sleep);
      return { sleep: ms === undefined || ms === 0 ? "0s" : formatDuration(ms) };
    }
    return this.#readCall(command.call, [...path, "call"], place);
  }

  #readCall(value: unknown, path: Path, place: Path): unknown {
    this.#origins.set(keyOf(place), path);
    if (typeof value === "string") return value;
    const call = this.#mapping(value, path);
    this.#remarks.noteUnknown(call, path, CALL_KEYS);
    const { service, size, probability } = call;
    if (typeof service !== "string") {
      this.#remarks.expect([...path, "service"], "the name of a service", service);
      return "";
    }
    this.#origins.set(keyOf([...place, "service"]), [...path, "service"]);
    const read: Entry = { service };
    if (size !== undefined) {
      const bytes = this.#size(size, [...path, "size"], MAX_REQUEST_BYTES);
      if (bytes !== this.#defaultRequestBytes) read.request = formatSize(bytes);
    }
    // isotope makes the call always if probability is 0.
    if (probability !== undefined && probability !== 0) {
      const isShare = Number.isInteger(probability) && Number(probability) > 0 && Number(probability) <= 100;
      if (!isShare)
        this.#remarks.expect([...path, "probability"], "a whole number from 0 to 100", probability);
      else if (probability !== 100) read.probability = `${probability}%`;
    }
    return Object.keys(read).length === 1 ? service : read;
  }

  #isEntry({ isEntrypoint }: Entry, path: Path, entries: readonly string[]): boolean {
    if (isEntrypoint === undefined || isEntrypoint === false) return false;
    const own = [...path, "isEntrypoint"];
    if (isEntrypoint !== true) this.#remarks.expect(own, "true or false", isEntrypoint);
    else if (entries.length > 0) {
      this.#remarks.lose(own, `a topology has only one entry; ${JSON.stringify(entries[0])} is used`);
    }
    return isEntrypoint === true;
  }

  /** Leaves exactly one entry if that is possible. */
  #findEntry(services: Record<string, Entry>, entries: readonly string[]): void {
    for (const name of entries.slice(1)) delete services[name]?.entry;
    if (entries.length > 0) return;
    const targets = Object.entries(services).map(([name, entry]) => [name, targetsOf(entry)] as const);
    const [only, ...others] = findUncalled(new Map(targets));
    if (only === undefined || others.length > 0) return;
    services[only] = { entry: true, ...services[only] };
    this.#remarks.lose(
      ["services"],
      `no isEntrypoint; ${JSON.stringify(only)} becomes the entry, because no service calls it`,
    );
  }

  #findGraphProblems(services: Record<string, Entry>): void {
    for (const problem of findGraphProblems(services)) {
      const path = this.#origins.get(keyOf(problem.path));
      const expected = problem.expected.replace('"entry: true"', '"isEntrypoint: true"');
      this.#remarks.add({ ...problem, expected, path: path ?? problem.path, atKey: path === undefined });
    }
  }

  /** Bytes; 0 if the value is absent. */
  #size(value: unknown, path: Path, maxBytes: number): number {
    if (value === undefined) return 0;
    const bytes = readGoSize(value);
    if (bytes === undefined) {
      this.#remarks.expect(path, "a size such as 128, 1KB or 16 MiB", value);
      return 0;
    }
    if (bytes <= maxBytes) return bytes;
    this.#remarks.lose(path, `reduced to the maximum, ${formatSize(maxBytes)}`);
    return maxBytes;
  }

  #mapping(value: unknown, path: Path): Entry {
    if (isRecord(value)) return value;
    this.#remarks.expect(path, "a mapping", value);
    return {};
  }
}

/** Writes a rate as a percentage if that loses no digits. */
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
