import * as v from "valibot";
import { parseDuration } from "../lib/duration.ts";
import { parsePercentage } from "../lib/percentage.ts";
import { isRecord } from "../lib/record.ts";
import { parseSize } from "../lib/size.ts";
import { findNearest } from "../lib/suggestion.ts";
import { buildChain } from "./chain.ts";
import {
  type CallEntry,
  type ChainDocument,
  type Defaults,
  documentSchemas,
  type GraphDocument,
  KNOWN_KEYS,
  type ServiceEntry,
  serviceSchema,
} from "./document.ts";
import { findGraphProblems, measureDepths } from "./graph.ts";
import {
  type Behaviour,
  CALL_TIMEOUT_MS,
  type Call,
  type Distribution,
  type Latency,
  type Service,
  type Step,
  type Topology,
} from "./model.ts";
import { describeValue, type PathKey, type Problem, TopologyError } from "./problem.ts";
import { readSource, type Source } from "./source.ts";

export interface ParseOptions {
  /** Chains draw the original's slow request. @default true */
  readonly slow?: boolean;
}

/**
 * The model of a topology document (YAML or JSON text). `sourceName` is the file's name in messages.
 * @throws {TopologyError} with every problem of the document
 */
export function parseTopology(text: string, sourceName: string, options: ParseOptions = {}): Topology {
  const source = readSource(text);
  if (!("value" in source)) throw new TopologyError(sourceName, [source]);
  const problems: Problem[] = [...source.duplicates];
  const { value } = source;
  if (!isRecord(value)) {
    problems.push({ path: [], expected: "a mapping", found: describeValue(value) });
    throw failure(problems, source, sourceName);
  }
  if ("chain" in value && "services" in value) {
    problems.push({ path: ["chain"], expected: "chain or services, not both", found: "both", atKey: true });
    throw failure(problems, source, sourceName);
  }
  if ("chain" in value) {
    const document = check(documentSchemas.chain, value, problems);
    return buildDocumentChain(accept(document, problems, source, sourceName), options);
  }
  const document = check(documentSchemas.graph, value, problems);
  // The graph is checked even where values are wrong, so that everything is reported at once.
  if (isRecord(value.services)) problems.push(...findGraphProblems(value.services));
  return buildGraph(accept(document, problems, source, sourceName));
}

/**
 * One service alone, from its entry in a topology document as JSON: what a link in Kubernetes is given.
 * @throws {TopologyError}
 */
export function parseService(text: string, name: string, sourceName: string): Service {
  const source = readSource(text);
  if (!("value" in source)) throw new TopologyError(sourceName, [source]);
  const problems: Problem[] = [...source.duplicates];
  const entry = check(serviceSchema, source.value, problems);
  return buildService(name, accept(entry, problems, source, sourceName), {}, () => 1);
}

function accept<T>(document: T | null, problems: readonly Problem[], source: Source, sourceName: string): T {
  if (document !== null && problems.length === 0) return document;
  throw failure(problems, source, sourceName);
}

function failure(problems: readonly Problem[], source: Source, sourceName: string): TopologyError {
  return new TopologyError(
    sourceName,
    problems.map((problem) => source.place(problem)),
  );
}

function check<S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  problems: Problem[],
): v.InferOutput<S> | null {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  problems.push(...result.issues.flatMap((issue) => describeIssue(issue, [])));
  return null;
}

function describeIssue(issue: v.BaseIssue<unknown>, parentPath: readonly PathKey[]): Problem[] {
  const path = [...parentPath, ...(issue.path ?? []).map((item) => item.key as PathKey)];
  // A union says little; the alternative that fits the value's kind says what is wrong inside it.
  const inner = issue.type === "union" ? (issue.issues ?? []).filter(reachesInside) : [];
  if (inner.length > 0) return inner.flatMap((sub) => describeIssue(sub, path));
  if (issue.type === "never") {
    const key = String(path.at(-1));
    const known = issue.message.slice(KNOWN_KEYS.length).split(", ");
    return [
      {
        path,
        expected: issue.message,
        found: JSON.stringify(key),
        atKey: true,
        nearest: findNearest(key, known),
      },
    ];
  }
  if (issue.received === "undefined" && issue.type === "object_with_rest") {
    return [{ path, expected: `the key ${JSON.stringify(path.at(-1))}`, found: "nothing" }];
  }
  return [{ path, expected: issue.message, found: describeValue(issue.input) }];
}

function reachesInside(issue: v.BaseIssue<unknown>): boolean {
  if ((issue.path?.length ?? 0) > 0 || issue.kind === "validation") return true;
  return issue.type === "union" && (issue.issues ?? []).some(reachesInside);
}

function buildDocumentChain(document: ChainDocument, options: ParseOptions): Topology {
  const defaults = document.defaults ?? {};
  return buildChain(document.chain, {
    name: document.metadata?.name ?? "chain-link",
    slow: options.slow ?? true,
    behaviour: buildBehaviour(defaults),
    replicas: defaults.replicas ?? 1,
    ...(defaults.timeout === undefined ? {} : { timeoutMs: parseDuration(defaults.timeout) ?? 0 }),
    retries: defaults.retries ?? 0,
  });
}

function buildGraph(document: GraphDocument): Topology {
  const entries = Object.entries(document.services).map(([name, entry]) => [name, entry ?? {}] as const);
  const depths = measureDepths(new Map(entries.map(([name, entry]) => [name, targetsOf(entry)])));
  const defaults = document.defaults ?? {};
  const services = new Map<string, Service>();
  for (const [name, entry] of entries) {
    services.set(
      name,
      buildService(name, entry, defaults, (service) => depths.get(service) ?? 1),
    );
  }
  const entryName = entries.find(([, entry]) => entry.entry === true)?.[0] ?? "";
  return Object.freeze({
    name: document.metadata?.name ?? "chain-link",
    kind: "graph",
    entry: entryName,
    services,
  });
}

function targetsOf(entry: ServiceEntry): string[] {
  return (entry.calls ?? []).flat().map((call) => (typeof call === "string" ? call : call.service));
}

function buildService(
  name: string,
  entry: ServiceEntry,
  defaults: Defaults,
  depthOf: (service: string) => number,
): Service {
  const buildCall = (call: CallEntry): Call => {
    const given = typeof call === "string" ? { service: call } : call;
    const timeout = given.timeout ?? defaults.timeout;
    return Object.freeze({
      service: given.service,
      probability: given.probability === undefined ? 1 : readFraction(given.probability),
      timeoutMs:
        timeout === undefined ? CALL_TIMEOUT_MS * depthOf(given.service) : (parseDuration(timeout) ?? 0),
      retries: given.retries ?? defaults.retries ?? 0,
    });
  };
  const steps: Step[] = (entry.calls ?? []).map((step) =>
    Object.freeze(Array.isArray(step) ? step.map(buildCall) : [buildCall(step)]),
  );
  return Object.freeze({
    name,
    replicas: entry.replicas ?? defaults.replicas ?? 1,
    behaviour: buildBehaviour({ ...defaults, ...entry }),
    steps: Object.freeze(steps),
  });
}

function buildBehaviour(entry: Defaults | ServiceEntry): Behaviour {
  return Object.freeze({
    latency: entry.latency === undefined ? null : buildLatency(entry.latency),
    errors: entry.errors === undefined ? null : buildErrors(entry.errors),
    cpuMs: entry.cpu === undefined ? 0 : (parseDuration(entry.cpu) ?? 0),
    responseBytes: entry.response === undefined ? 0 : (parseSize(entry.response) ?? 0),
    slow: null,
  });
}

function buildLatency(entry: NonNullable<Defaults["latency"]>): Latency {
  if (typeof entry === "string") return Object.freeze({ kind: "fixed", ms: readMs(entry), probability: 1 });
  const probability = entry.probability === undefined ? 1 : readFraction(entry.probability);
  return Object.freeze({ ...buildDistribution(entry), probability });
}

function buildDistribution(entry: Exclude<NonNullable<Defaults["latency"]>, string>): Distribution {
  const { fixed, p50, p90, p99, uniform, normal, lognormal, exponential } = entry;
  if (uniform !== undefined) return { kind: "uniform", minMs: readMs(uniform[0]), maxMs: readMs(uniform[1]) };
  if (normal !== undefined) return { kind: "normal", ...readSpread(normal) };
  if (lognormal !== undefined) return { kind: "lognormal", ...readSpread(lognormal) };
  if (exponential !== undefined) return { kind: "exponential", meanMs: readMs(exponential) };
  if (p50 === undefined) return { kind: "fixed", ms: readMs(fixed ?? "0") };
  const readOptional = (text: string | undefined) => (text === undefined ? null : readMs(text));
  return { kind: "quantiles", p50Ms: readMs(p50), p90Ms: readOptional(p90), p99Ms: readOptional(p99) };
}

function readSpread({ mean, deviation }: { mean: string; deviation: string }) {
  return { meanMs: readMs(mean), deviationMs: readMs(deviation) };
}

/** Of a text that the schema has let through. */
function readMs(text: string): number {
  return parseDuration(text) ?? 0;
}

function buildErrors(entry: NonNullable<Defaults["errors"]>): NonNullable<Behaviour["errors"]> {
  if (typeof entry !== "object") return Object.freeze({ rate: readFraction(entry), status: 500 });
  return Object.freeze({ rate: readFraction(entry.rate), status: entry.status ?? 500 });
}

function readFraction(value: string | number): number {
  return typeof value === "number" ? value : (parsePercentage(value) ?? 0);
}
