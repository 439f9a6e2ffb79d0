import type { EdgeFinding, PropagationResult } from "../../contract/propagation-result.ts";
import { EDGE_STATES } from "../../contract/propagation-result.ts";
import type { ResultHead } from "../../contract/result-head.ts";
import type { CapturedHeader } from "../../trace/capture.ts";
import type { Ledger } from "../../trace/ledger.ts";
import { CallTree } from "../judge/call-tree.ts";
import { isSameLedger, ledgerOf } from "../judge/digest.ts";
import { findForeignServices } from "../judge/foreign.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import { type Ownership, sortSpans } from "../judge/sorted-spans.ts";
import { TraceView } from "../judge/trace-view.ts";
import { findHeaderLoss } from "./carried-headers.ts";
import type { Probe } from "./propagation-forms.ts";

/** What was seen of one request. */
export interface Observation {
  readonly probe: Probe;
  /** `null`: there was no answer. */
  readonly status: number | null;
  /** Of the answer. */
  readonly ledger: Ledger | null;
  /** The trace that the entry says, in `traceresponse`, it began. */
  readonly begun: string | null;
  /** Something before the entry began that trace. @default false */
  readonly isBegunBefore?: boolean;
  /** By trace id, of all traces that the request may be found in. */
  readonly traces: ReadonlyMap<string, readonly SeenSpan[]>;
}

/** The edge to the entry; a service cannot be called so. */
const CALLER = "(verify)";

/** The traces to ask for. */
export function traceIdsOf({ probe, begun }: Pick<Observation, "probe" | "begun">): string[] {
  return [begun ?? probe.traceId, probe.otherTraceId].filter((id) => id !== null);
}

/** Whether every span that the answer accounts for has arrived: only then the absence of one says something. */
export function isSettled(observation: Observation): boolean {
  const { status, ledger } = observation;
  if (status === null || (ledger === null && status >= 400)) return true;
  if (ledger === null) return false;
  const { spans } = followed(observation);
  const { ours } = sortSpans(spans, ANY_SERVICE, ledger);
  return isSameLedger(ledgerOf(ours), ledger) || findForeignServices(spans, ledger) !== null;
}

/** Whether a span of a link names a parent that has not arrived: a platform's span may still come. */
export function awaitsParent(observation: Observation): boolean {
  const sent = observation.begun === null ? observation.probe.parentId : null;
  return treeOf(observation).roots.some(({ parentId }) => parentId !== null && parentId !== sent);
}

/** Every service may be a link, so what recorded a span tells which spans are a platform's. */
const ANY_SERVICE: Ownership = { services: null, foreign: new Set() };

/** The calls between links. A span of the platform is replaced by its parent. */
function treeOf(observation: Observation): CallTree {
  const { spans } = followed(observation);
  const { ours, foreign } = sortSpans(spans, ANY_SERVICE, observation.ledger);
  const view = new TraceView(ours, foreign);
  return new CallTree(ours.map((span) => ({ ...span, parentId: view.parentOf(span) })));
}

/** The result for what was sent. Pure. */
export function judgePropagation(
  observations: readonly Observation[],
  occasion: ResultHead,
): PropagationResult {
  const edges = edgesOf(observations);
  const keepsDebug = observations.some(({ traces }) =>
    [...traces.values()].some((spans) => spans.some(({ isDebug }) => isDebug)),
  );
  const judgeAll = (suspects: readonly string[]) =>
    observations.map((observation) => ({
      form: observation.probe.form,
      found: judge(observation, edges, keepsDebug, suspects),
    }));
  const first = judgeAll(edges.slice(1));
  // A request that nobody records says that the context broke, but not where: where that of others did, if that is one edge.
  const broken = edges
    .slice(1)
    .filter((edge) => first.some(({ found }) => found.get(edge)?.state === "broken"));
  const judged = broken.length === 1 ? judgeAll(broken) : first;
  const forms = [...Map.groupBy(judged, ({ form }) => form)].map(([form, list]) => ({
    form,
    edges: Object.fromEntries(edges.map((edge) => [edge, worst(list.map(({ found }) => found.get(edge)))])),
  }));
  const states = new Set(forms.flatMap((row) => Object.values(row.edges).map(({ state }) => state)));
  const isBroken = states.has("broken") || states.has("changed");
  return {
    outcome: isBroken ? "broken" : states.has("unknown") || !states.has("kept") ? "could-not-tell" : "kept",
    ...occasion,
    requests: observations.length,
    edges,
    forms,
  };
}

function worst(findings: readonly (EdgeFinding | undefined)[]): EdgeFinding {
  const known = findings.filter((it) => it !== undefined);
  const [first] = known.sort((a, b) => EDGE_STATES.indexOf(a.state) - EDGE_STATES.indexOf(b.state));
  return first ?? { state: "unused", detail: null, traceId: null };
}

/** All edges that any request has shown, the one to the entry first. */
function edgesOf(observations: readonly Observation[]): string[] {
  const edges = new Set<string>();
  for (const observation of observations) {
    const trace = treeOf(observation);
    for (const call of trace.calls) edges.add(trace.edgeOf(call));
  }
  return [entryEdge(observations), ...edges];
}

/** Whoever was called with the span id that was sent, or began the trace. */
function entryEdge(observations: readonly Observation[]): string {
  for (const observation of observations) {
    const trace = treeOf(observation);
    const parentId = observation.begun === null ? observation.probe.parentId : null;
    const entry = trace.roots.find((it) => it.kind === "SERVER" && it.parentId === parentId);
    if (entry !== undefined) return `${CALLER} > ${entry.serviceName}`;
  }
  return `${CALLER} > entry`;
}

interface Followed {
  readonly traceId: string | null;
  readonly spans: readonly SeenSpan[];
}

/** The trace that the request went on in. */
function followed({ probe, begun, traces }: Observation): Followed {
  const own = begun ?? probe.traceId;
  const spans = traces.get(own ?? "") ?? [];
  const others = traces.get(probe.otherTraceId ?? "") ?? [];
  if (spans.length === 0 && others.length > 0) return { traceId: probe.otherTraceId, spans: others };
  return { traceId: own, spans };
}

function judge(
  observation: Observation,
  edges: readonly string[],
  keepsDebug: boolean,
  suspects: readonly string[],
): Map<string, EdgeFinding> {
  const { probe, status, ledger, begun } = observation;
  const { traceId, spans } = followed(observation);
  const trace = treeOf(observation);
  const isWhole = ledger !== null && isSettled(observation);
  const found = new Map<string, EdgeFinding[]>();
  const note = (edge: string, state: EdgeFinding["state"], detail: string | null = null) => {
    found.set(edge, [...(found.get(edge) ?? []), { state, detail, traceId }]);
  };
  const [entry = "", ...inner] = edges;

  const isExpected = begun === null ? probe.parentId : null;
  const root = trace.roots.find(({ parentId }) => parentId === isExpected);
  const stray = new Set(trace.roots.filter((it) => it !== root).flatMap((it) => trace.serversUnder(it)));
  const isDenied = probe.decision === "not-sampled" && (begun === null || probe.traceId === null);

  if (status === null) note(entry, "unknown", "no answer");
  else if (ledger === null && status >= 400) note(entry, "broken", `answered ${status}`);
  else if (begun !== null && probe.traceId !== null) note(entry, "broken", "the entry began another trace");
  else if (observation.isBegunBefore || (begun === null && probe.traceId === null && ledger !== null))
    note(entry, "changed", "something before the entry began the trace");
  else if (traceId !== null && traceId === probe.otherTraceId)
    note(entry, "changed", "went on in the trace of the other form");
  else if (root !== undefined) {
    if (isDenied) note(entry, "changed", "recorded against the decision");
    else noteKept(entry, probe.isDebug, sentBy(probe), trace.serversUnder(root)[0]);
  } else if (isWhole && ledger.count === 0) {
    if (probe.decision === "sampled") note(entry, "changed", "nothing was recorded");
    else note(entry, "kept");
  } else if (isWhole) {
    const name = entry.slice(`${CALLER} > `.length);
    const moved = [...stray].find(({ serviceName }) => serviceName === name);
    if (moved !== undefined) stray.delete(moved);
    note(entry, moved === undefined && isDenied ? "kept" : "changed", moved ? "another parent" : null);
  } else note(entry, "unknown", "spans are missing");

  /** The trace goes on: what is left to see is what travels beside it. */
  function noteKept(
    edge: string,
    wasDebug: boolean,
    before: ReadonlyMap<CapturedHeader, string> | null,
    callee: SeenSpan | undefined,
  ): void {
    const isDebugLost = wasDebug && callee?.isDebug === false;
    const loss =
      callee === undefined ? null : findHeaderLoss({ probe, before, after: callee.captured ?? null });
    if (isDebugLost && keepsDebug) note(edge, "changed", "the debug flag is lost");
    else if (isDebugLost) note(edge, "unknown", "no span shows the debug flag");
    else if (loss === undefined) note(edge, "unknown", "the link does not show what came in");
    else if (loss === null) note(edge, "kept");
    else note(edge, "changed", loss);
  }

  for (const call of trace.calls) {
    const edge = trace.edgeOf(call);
    const callee = trace.calleeOf(call);
    const moved = [...stray].find(({ serviceName }) => serviceName === call.remote);
    const before = trace.callerOf(call)?.captured ?? null;
    if (callee !== undefined) noteKept(edge, call.isDebug === true, before, callee);
    else if (moved !== undefined) {
      stray.delete(moved);
      note(edge, "changed", "another parent");
    } else if (call.status === null) note(edge, "unknown", "the call got no answer");
    else if (!isWhole) note(edge, "unknown", "spans are missing");
    else if (ledger.unknown > 0) note(edge, "broken", "the callee did not go on with the trace");
    else note(edge, "changed", "the callee recorded nothing");
  }
  for (const { serviceName } of stray) {
    const to = inner.filter((edge) => edge.endsWith(` > ${serviceName}`));
    const detail = isDenied ? "recorded against the decision" : "another parent";
    if (to.length === 1) note(to[0] ?? "", "changed", detail);
    else note(entry, "changed", `${detail}, by ${serviceName}`);
  }
  if (isWhole && spans.length === 0 && probe.decision !== "sampled") {
    for (const edge of inner) {
      if (ledger.unknown === 0 || !suspects.includes(edge)) note(edge, "kept");
      else note(edge, suspects.length === 1 ? "broken" : "unknown", "a callee did not go on with the trace");
    }
  } else if (isWhole && isDenied && ledger.unknown === 0) {
    for (const edge of inner) if (!found.has(edge)) note(edge, "kept");
  }
  return new Map([...found].map(([edge, findings]) => [edge, worst(findings)]));
}

/** The headers that a request was sent with, as a link would show them. */
function sentBy({ headers, carried }: Probe): ReadonlyMap<CapturedHeader, string> {
  const sent = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return new Map(carried.map((name) => [name, sent.get(name) ?? ""]));
}
