import { LEDGER_HEADER, parseLedger } from "../trace/ledger.ts";
import {
  isSettled,
  judgePropagation,
  type Observation,
  type PropagationResult,
  traceIdsOf,
} from "../verify/propagation.ts";
import { newProbes, type Probe } from "../verify/propagation-forms.ts";
import type { SeenSpan } from "../verify/seen-span.ts";
import type { TraceReader } from "../verify/trace-reader.ts";
import { renderTable } from "./table.ts";

export interface PropagationOptions {
  readonly url: string;
  readonly reader: TraceReader;
  readonly requestsPerForm: number;
  /** Limit of a request. */
  readonly timeoutMs: number;
  /** What has not arrived so long after the last request will not be waited for. */
  readonly maxWaitMs: number;
  readonly queriesPerSecond: number;
  readonly signal: AbortSignal;
}

const POLL_MS = 250;

/**
 * Sends each form, waits for the spans, and judges.
 * @throws {UserError} `backend-unreadable`
 */
export async function verifyPropagation(options: PropagationOptions): Promise<PropagationResult> {
  const { url, reader, requestsPerForm, maxWaitMs, queriesPerSecond, signal } = options;
  let seen: Observation[] = [];
  for (let round = 0; round < requestsPerForm; round++) {
    seen.push(...(await Promise.all(newProbes().map((probe) => send(probe, options)))));
  }
  const deadlineMs = performance.now() + maxWaitMs;
  for (;;) {
    const open = seen.filter((it) => it.traces.size === 0 || !isSettled(it));
    const queries = await readInto(open, reader, signal);
    seen = seen.map((it) => queries.observations.get(it) ?? it);
    if (seen.every(isSettled) || performance.now() >= deadlineMs) break;
    await Bun.sleep(Math.max(POLL_MS, (queries.count / queriesPerSecond) * 1000));
    signal.throwIfAborted();
  }
  return judgePropagation(seen, { url, backend: reader.name });
}

async function send(probe: Probe, { url, timeoutMs, signal }: PropagationOptions): Promise<Observation> {
  const nothing = { probe, status: null, ledger: null, begun: null, traces: new Map() };
  try {
    const response = await fetch(url, {
      headers: probe.headers,
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    await response.arrayBuffer();
    return {
      ...nothing,
      status: response.status,
      ledger: parseLedger(response.headers.get(LEDGER_HEADER) ?? ""),
      begun: /^00-([0-9a-f]{32})-/.exec(response.headers.get("traceresponse") ?? "")?.[1] ?? null,
    };
  } catch {
    signal.throwIfAborted();
    return nothing;
  }
}

async function readInto(open: readonly Observation[], reader: TraceReader, signal: AbortSignal) {
  const ids = open.flatMap(traceIdsOf);
  const found = new Map<string, readonly SeenSpan[]>();
  let count = 0;
  for (let from = 0; from < ids.length; from += reader.batchSize, count++) {
    const traces = await reader.read(ids.slice(from, from + reader.batchSize), signal);
    for (const [id, spans] of traces) found.set(id, spans);
  }
  const observations = new Map(
    open.map((it) => [it, { ...it, traces: new Map(traceIdsOf(it).map((id) => [id, found.get(id) ?? []])) }]),
  );
  return { count, observations };
}

const TITLES = { kept: "kept", broken: "BROKEN", "could-not-tell": "COULD NOT TELL" } as const;
/** More columns are hard to read: then only those where something is wrong. */
const MAX_COLUMNS = 6;

/** The result for people. */
export function renderPropagation(result: PropagationResult, reader: Pick<TraceReader, "pageOf">): string {
  const isFine = (state: string) => state === "kept" || state === "unused";
  const wrongEdges = result.edges.filter((edge) =>
    result.forms.some((row) => !isFine(row.edges[edge]?.state ?? "unused")),
  );
  const columns = result.edges.length <= MAX_COLUMNS ? result.edges : wrongEdges;
  const rows = result.forms.map(({ form, edges }) => [
    form,
    ...columns.map((edge) => (edges[edge]?.state ?? "unused").replace("unused", "-")),
  ]);
  const findings = result.forms.flatMap(({ form, edges }) =>
    Object.entries(edges)
      .filter(([, { state }]) => !isFine(state))
      .map(([edge, { state, detail, traceId }]) => [
        `${form}: ${edge} ${state}${detail === null ? "" : `, ${detail}`}`,
        ...(traceId === null ? [] : [`    ${reader.pageOf(traceId) ?? traceId}`]),
      ]),
  );
  const lines = [
    `${TITLES[result.outcome]}: ${result.forms.length} forms over ${result.edges.length} edges, ${result.requests} requests`,
    `backend  ${result.backend}`,
    "",
    ...renderTable(
      ["FORM", ...columns].map((title) => ({ title })),
      rows,
    ),
    ...(findings.length > 0 ? ["", ...findings.flat()] : []),
  ];
  return `${lines.join("\n")}\n`;
}
