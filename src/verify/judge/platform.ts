import type { PlaceKind, Platform, PlatformRow } from "../../contract/platform.ts";
import { NAMELESS } from "./recorder.ts";
import type { SeenSpan } from "./seen-span.ts";
import { TraceView } from "./trace-view.ts";
import { edgeText } from "./verdict.ts";

interface Place {
  readonly kind: PlaceKind;
  readonly edge: string;
  /** Our span whose time is covered; `null` if it is missing. */
  readonly call: SeenSpan | null;
}

interface Totals {
  readonly recorder: string | null;
  readonly service: string;
  readonly place: PlaceKind;
  readonly edge: string;
  readonly callsBySpans: Map<number, number>;
  spans: number;
  requests: number;
  coveredUs: number;
  calledUs: number;
}

/** Adds up the platform's spans by recorder and place. */
export class PlatformTally {
  #traces = 0;
  readonly #totals = new Map<string, Totals>();
  /** By place: number of calls, and number of requests with a call. */
  readonly #calls = new Map<string, { calls: number; requests: number }>();

  /** @param ours Each once, as `sortSpans` tells them */
  add(ours: readonly SeenSpan[], foreign: readonly SeenSpan[]): void {
    if (ours.length + foreign.length === 0) return;
    this.#traces++;
    const view = new TraceView(ours, foreign);
    this.#countCalls(ours);
    const unique = new Map(foreign.map((span) => [span.id, span])).values();
    const placed = Array.from(unique, (span) => ({ span, place: placeOf(span, view, foreign) }));
    for (const [key, list] of Map.groupBy(placed, ({ span, place }) => keyOf(span, place))) {
      const [first] = list;
      if (first !== undefined) this.#addGroup(key, first.span, first.place, list);
    }
  }

  result(): Platform {
    const rows = [...this.#totals.values()].map((totals): PlatformRow => {
      const { recorder, service, place, edge, spans, requests, coveredUs, calledUs } = totals;
      const known = this.#calls.get(edge);
      const withSpans = [...totals.callsBySpans.values()].reduce((sum, count) => sum + count, 0);
      const without = Math.max(0, (known?.calls ?? 0) - withSpans);
      const counts = new Map([...(without > 0 ? [[0, without] as const] : []), ...totals.callsBySpans]);
      return {
        ...{ recorder, service, place, edge, spans },
        callsBySpans: Object.fromEntries([...counts].sort(([a], [b]) => a - b)),
        requestShare: requests / Math.max(requests, known?.requests ?? this.#traces),
        timeCovered: calledUs === 0 ? null : coveredUs / calledUs,
      };
    });
    return {
      tracesRead: this.#traces,
      rows: rows.sort((a, b) => compare(`${a.service} ${a.edge}`, `${b.service} ${b.edge}`)),
      calls: Object.fromEntries(Array.from(this.#calls, ([edge, { calls }]) => [edge, calls])),
    };
  }

  #countCalls(ours: readonly SeenSpan[]): void {
    const counts = new Map<string, number>();
    for (const span of ours) for (const edge of placesOf(span)) counts.set(edge, (counts.get(edge) ?? 0) + 1);
    const entry = entryOf(ours);
    if (entry !== null) counts.set(entryEdge(entry), 1);
    for (const [edge, count] of counts) {
      const { calls = 0, requests = 0 } = this.#calls.get(edge) ?? {};
      this.#calls.set(edge, { calls: calls + count, requests: requests + 1 });
    }
  }

  #addGroup(
    key: string,
    { serviceName, recorder }: SeenSpan,
    { kind, edge }: Place,
    list: readonly Placed[],
  ): void {
    const totals = this.#totals.get(key) ?? {
      ...{
        recorder: recorder === NAMELESS ? null : (recorder ?? null),
        service: serviceName,
        place: kind,
        edge,
      },
      ...{ callsBySpans: new Map(), spans: 0, requests: 0, coveredUs: 0, calledUs: 0 },
    };
    this.#totals.set(key, totals);
    totals.spans += list.length;
    totals.requests++;
    for (const [call, spans] of Map.groupBy(list, ({ place }) => place.call)) {
      totals.callsBySpans.set(spans.length, (totals.callsBySpans.get(spans.length) ?? 0) + 1);
      if (call === null || call.endUs <= call.startUs) continue;
      totals.calledUs += call.endUs - call.startUs;
      totals.coveredUs += coveredUs(
        call,
        spans.map(({ span }) => span),
      );
    }
  }
}

interface Placed {
  readonly span: SeenSpan;
  readonly place: Place;
}

function keyOf({ serviceName, recorder = "" }: SeenSpan, { edge }: Place): string {
  return `${serviceName} ${recorder} ${edge}`;
}

/** Finds the place by the nearest ancestor that is ours. */
function placeOf(span: SeenSpan, view: TraceView, foreign: readonly SeenSpan[]): Place {
  const id = view.parentOf(span);
  const anchor = view.find(id);
  if (anchor?.kind === "CLIENT") {
    const callee = anchor.remote ?? view.childrenOf(anchor.id)[0]?.serviceName ?? "?";
    return { kind: "edge", edge: edgeText({ from: anchor.serviceName, to: callee }), call: anchor };
  }
  if (anchor !== undefined) return { kind: "inside", edge: insideOf(anchor.serviceName), call: anchor };
  // Below it is the entry, or who was called by spans that are not there.
  const below = view.ours.find((it) => isBelow(it, span, foreign)) ?? null;
  const entry = id === null ? (below ?? entryOf(view.ours)) : null;
  if (entry !== null) return { kind: "entry", edge: entryEdge(entry), call: entry };
  return { kind: "edge", edge: edgeText({ from: null, to: below?.serviceName ?? "?" }), call: null };
}

function isBelow(ours: SeenSpan, span: SeenSpan, foreign: readonly SeenSpan[]): boolean {
  let { parentId } = ours;
  for (let turn = 0; turn <= foreign.length && parentId !== null; turn++) {
    if (parentId === span.id) return true;
    parentId = foreign.find(({ id }) => id === parentId)?.parentId ?? null;
  }
  return false;
}

/** Returns the places at which one of our spans is a call. */
function placesOf({ kind, serviceName, remote }: SeenSpan): readonly string[] {
  if (kind === "CLIENT") return [edgeText({ from: serviceName, to: remote ?? "?" })];
  return kind === "SERVER" ? [insideOf(serviceName)] : [];
}

/** Returns the link that was called first. */
function entryOf(ours: readonly SeenSpan[]): SeenSpan | null {
  const calls = new Set(ours.flatMap(({ kind, remote }) => (kind === "CLIENT" ? (remote ?? "") : [])));
  const servers = ours.filter(({ kind }) => kind === "SERVER");
  const isEntry = ({ parentId, serviceName }: SeenSpan) => parentId === null || !calls.has(serviceName);
  return servers.find(isEntry) ?? null;
}

function entryEdge({ serviceName }: SeenSpan): string {
  return `> ${serviceName}`;
}

function insideOf(service: string): string {
  return `in ${service}`;
}

/** Returns how much of the call's time the spans cover together. */
function coveredUs(call: SeenSpan, spans: readonly SeenSpan[]): number {
  let covered = 0;
  let reachedUs = call.startUs;
  for (const { startUs, endUs } of spans.toSorted((a, b) => a.startUs - b.startUs)) {
    const fromUs = Math.max(startUs, reachedUs);
    const toUs = Math.min(endUs, call.endUs);
    if (toUs <= fromUs) continue;
    covered += toUs - fromUs;
    reachedUs = toUs;
  }
  return covered;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
