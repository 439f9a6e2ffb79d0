import * as v from "valibot";
import { parseDuration } from "../lib/duration.ts";
import { isRecord } from "../lib/record.ts";
import { findNearest } from "../lib/suggestion.ts";
import { buildBehavior, buildPods, buildRetry, buildService, buildSizes } from "./build.ts";
import { buildChain } from "./chain.ts";
import {
  type ChainDocument,
  documentSchemas,
  type GraphDocument,
  type ServiceEntry,
  serviceSchema,
} from "./document.ts";
import { findGraphProblems, measureDepths } from "./graph.ts";
import { CALL_TIMEOUT_MS, type Service, type Topology } from "./model.ts";
import { describeValue, type PathKey, type Problem, TopologyError } from "./problem.ts";
import { readSource, type Source } from "./source.ts";
import { KNOWN_KEYS } from "./values.ts";

interface ParseOptions {
  /** Whether links of a chain draw the original's slow request. @default true */
  readonly slow?: boolean;
}

/**
 * Parses a topology document (YAML or JSON). Messages refer to the file as `sourceName`.
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
  // Check the graph even if some values are wrong, so that all problems are reported at once.
  if (isRecord(value.services)) problems.push(...findGraphProblems(value.services));
  return buildGraph(accept(document, problems, source, sourceName));
}

/**
 * Parses one service from its entry in a topology document, as JSON. A link in Kubernetes gets only its own entry.
 * @throws {TopologyError}
 */
export function parseService(text: string, name: string, sourceName: string): Service {
  const source = readSource(text);
  if (!("value" in source)) throw new TopologyError(sourceName, [source]);
  const problems: Problem[] = [...source.duplicates];
  const entry = check(serviceSchema, source.value, problems);
  return buildService(name, accept(entry, problems, source, sourceName), {}, () => CALL_TIMEOUT_MS);
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
  // The message of a union is vague; the alternative that fits the value's kind says what is wrong inside it.
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
  if (issue.received === "undefined" && issue.type === "object") {
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
  const behavior = buildBehavior(defaults);
  const chain = buildChain(document.chain, {
    name: document.metadata?.name ?? "chain-link",
    slow: options.slow ?? true,
    behavior,
    replicas: defaults.replicas ?? 1,
    ...(defaults.timeout === undefined ? {} : { timeoutMs: parseDuration(defaults.timeout) ?? 0 }),
    retries: defaults.retries ?? 0,
    retry: buildRetry(defaults),
    request: buildSizes(defaults.request),
  });
  return Object.freeze({ ...chain, ...podsOf(defaults) });
}

function podsOf({ pods }: NonNullable<GraphDocument["defaults"]>): Pick<Topology, "pods"> {
  return pods === undefined ? {} : { pods: buildPods(pods) };
}

function buildGraph(document: GraphDocument): Topology {
  const entries = Object.entries(document.services).map(([name, entry]) => [name, entry ?? {}] as const);
  const depths = measureDepths(new Map(entries.map(([name, entry]) => [name, targetsOf(entry)])));
  const callTimeoutOf = (service: string) => CALL_TIMEOUT_MS * (depths.get(service) ?? 1);
  const defaults = document.defaults ?? {};
  const services = new Map<string, Service>();
  for (const [name, entry] of entries) {
    services.set(name, buildService(name, entry, defaults, callTimeoutOf));
  }
  const entryName = entries.find(([, entry]) => entry.entry === true)?.[0] ?? "";
  return Object.freeze({
    name: document.metadata?.name ?? "chain-link",
    kind: "graph",
    entry: entryName,
    services,
    ...podsOf(defaults),
  });
}

function targetsOf(entry: ServiceEntry): string[] {
  return (entry.calls ?? []).flat().flatMap((action) => {
    if (typeof action === "string") return [action];
    return "service" in action ? [action.service] : [];
  });
}
