import { readBodyText } from "../../lib/bounded-body.ts";
import { apiUrl } from "../../lib/endpoint.ts";
import { isRecord } from "../../lib/record.ts";
import type { StageCounters } from "./stage-counters.ts";
import type { Fetch } from "./trace-reader.ts";

/** A link's own counters at one moment. */
export interface LinkCounters {
  readonly sent: number;
  readonly queued: number;
  /** By reason. */
  readonly dropped: ReadonlyMap<string, number>;
  /** When it was started, in seconds since 1970; absent where the link does not tell. */
  readonly startedAt?: number | null;
  /** Whether it records spans at all. @default true */
  readonly isTracing?: boolean;
}

/** A backend's own counters at one moment; `null` where it does not tell. */
export interface BackendCounters {
  /** Spans that reached it. */
  readonly received: number | null;
  /** `received` counts spans that came before and are kept once. @default false */
  readonly countsCopies?: boolean;
  /** Spans that it refused or could not store. */
  readonly refused: number | null;
  /** Spans that it stored and has let go of. */
  readonly evicted: number | null;
  /** Tells this process from one that was started later at its address. @default null: the backend does not tell */
  readonly identity?: string | null;
  /** How often it was started again while it was watched. @default 0 */
  readonly restarts?: number;
}

/** One process that is a link. */
export interface LinkInstance {
  /** Tells it from every other one, and from itself before it was started again. */
  readonly id: string;
  /** `null`: its counters say it. */
  readonly link: string | null;
  /** Base URL. */
  readonly url: string;
  readonly fetch?: Fetch;
  /** Several processes may answer at the URL, one after the other. @default false */
  readonly isShared?: boolean;
}

export interface CountedBackend {
  readonly kind: string;
  readonly url: string;
  readonly fetch?: Fetch;
}

/** Everybody's counters at one moment; `null` for who does not answer. */
export interface Counters {
  /** By the id of the instance. */
  readonly links: ReadonlyMap<string, { readonly link: string; readonly counters: LinkCounters | null }>;
  readonly backend: BackendCounters | null;
  /** Of the collectors between links and backend, in pipeline order; `null` for one that does not answer. @default none */
  readonly stages?: readonly (StageCounters | null)[];
}

const COUNTER_TIMEOUT_MS = 3000;

/** Links of which each is one process, by their base URLs. */
export function instancesOf(links: ReadonlyMap<string, string>): LinkInstance[] {
  return Array.from(links, ([link, url]) => ({ id: url, link, url }));
}

/** Asks all links and the backend for their counters; who does not answer in time is `null`. */
export async function readCounters(
  instances: readonly LinkInstance[],
  backend: CountedBackend,
): Promise<Counters> {
  const [links, backendCounters] = await Promise.all([
    Promise.all(instances.map(readLink)),
    readBackend(backend),
  ]);
  return { links: new Map(links.flat()), backend: backendCounters };
}

/** Names of the links that record no spans, because a variable of theirs says so. */
export function findUntraced(counters: Counters | null): string[] {
  const links = [...(counters?.links.values() ?? [])].filter((it) => it.counters?.isTracing === false);
  return [...new Set(links.map(({ link }) => link))];
}

/** Spans that all links recorded between the two moments; `null` where one of them cannot be compared. */
export function countRecorded(before: Counters, now: Counters): number | null {
  let spans = 0;
  for (const [id, { counters }] of now.links) {
    const then = before.links.get(id)?.counters;
    if (!counters || !then || counters.startedAt !== then.startedAt) return null;
    spans += recordedBy(counters) - recordedBy(then);
  }
  return spans;
}

function recordedBy({ sent, queued, dropped }: LinkCounters): number {
  return dropped.values().reduce((sum, count) => sum + count, sent + queued);
}

/** None for one that does not say which link it is. */
async function readLink({ id, link, url, fetch }: LinkInstance) {
  const text = (await get(apiUrl(url, "link", "/metrics"), fetch))?.text ?? null;
  const name = link ?? /^chain_link_info\{service="([^"]+)"/m.exec(text ?? "")?.[1];
  return name === undefined ? [] : [[id, { link: name.toLowerCase(), counters: parseLink(text) }] as const];
}

function parseLink(text: string | null): LinkCounters | null {
  if (text === null) return null;
  const dropped = new Map<string, number>();
  for (const [, reason = "", count] of text.matchAll(
    /^chain_link_spans_dropped_total\{reason="([^"]+)"\} (\d+)/gm,
  ))
    dropped.set(reason, Number(count));
  const value = (name: string) => {
    const match = new RegExp(`^${name} (\\d+(?:\\.\\d+)?)`, "m").exec(text);
    return match === null ? null : Number(match[1]);
  };
  const sent = value("chain_link_spans_sent_total");
  // Somebody else's metrics say nothing about our spans.
  if (sent === null) return null;
  const queued = value("chain_link_spans_queued") ?? 0;
  const isTracing = !/^chain_link_info\{[^}]*\btracing="off"/m.test(text);
  return { sent, queued, dropped, startedAt: value("process_start_time_seconds"), isTracing };
}

/** `null` when it does not answer in time, or tells nothing. */
export async function readBackend({ kind, url, fetch }: CountedBackend): Promise<BackendCounters | null> {
  if (kind === "zipkin") {
    const [metrics, info] = await Promise.all(
      ["/metrics", "/info"].map((path) => get(apiUrl(url, "zipkin", path), fetch)),
    );
    return readZipkin(metrics?.text ?? null, info?.lastModified ?? null);
  }
  if (kind === "collector")
    return readCollector((await get(apiUrl(url, "zipkin", "/health"), fetch))?.text ?? null);
  return null;
}

/**
 * Zipkin's `/metrics`: https://github.com/openzipkin/zipkin/tree/master/zipkin-server#metrics
 * @param startedAt The `Last-Modified` of its `/info`, which is when it was started
 */
function readZipkin(text: string | null, startedAt: string | null): BackendCounters | null {
  const content = parseRecord(text);
  if (content === null) return null;
  const sum = (name: string) => {
    const counts = Object.entries(content).filter(([key]) =>
      key.startsWith(`counter.zipkin_collector.${name}.`),
    );
    return counts.length === 0 ? null : counts.reduce((total, [, count]) => total + Number(count), 0);
  };
  return {
    received: sum("spans"),
    countsCopies: true,
    refused: sum("spans_dropped"),
    evicted: null,
    identity: startedAt,
  };
}

function readCollector(text: string | null): BackendCounters | null {
  const { store, startedAt } = parseRecord(text) ?? {};
  if (!isRecord(store)) return null;
  const identity = typeof startedAt === "string" ? startedAt : null;
  const { spans, evictedSpans, refusedSpans, sampledOutSpans = 0 } = store as Record<string, number>;
  // Without copies: what came twice stands for nothing that did not come.
  const counts = [spans, evictedSpans, refusedSpans, sampledOutSpans];
  const received = counts.every(Number.isFinite)
    ? counts.reduce((sum = 0, count = 0) => sum + count, 0)
    : null;
  // Zipkin, too, counts what it samples out among what it drops.
  const refused = refusedSpans === undefined ? null : refusedSpans + sampledOutSpans;
  return { received: received ?? null, refused, evicted: evictedSpans ?? null, identity };
}

function parseRecord(text: string | null): Record<string, unknown> | null {
  try {
    const content: unknown = JSON.parse(text ?? "null");
    return isRecord(content) ? content : null;
  } catch {
    return null;
  }
}

interface Answer {
  readonly text: string;
  readonly lastModified: string | null;
}

async function get(url: string, through: Fetch = fetch): Promise<Answer | null> {
  try {
    const response = await through(url, { signal: AbortSignal.timeout(COUNTER_TIMEOUT_MS) });
    const text = await readBodyText(response);
    return response.ok ? { text, lastModified: response.headers.get("Last-Modified") } : null;
  } catch {
    return null;
  }
}
