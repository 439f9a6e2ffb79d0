import { isRecord } from "../lib/record.ts";
import type { Tally } from "./tally.ts";

/** A link's own counters at one moment. */
export interface LinkCounters {
  readonly sent: number;
  readonly queued: number;
  /** By reason. */
  readonly dropped: ReadonlyMap<string, number>;
}

/** A backend's own counters at one moment; `null` where it does not tell. */
export interface BackendCounters {
  /** Spans that reached it. */
  readonly received: number | null;
  /** Spans that it refused or could not store. */
  readonly refused: number | null;
  /** Spans that it stored and has let go of. */
  readonly evicted: number | null;
}

/** Everybody's counters at one moment; `null` where one cannot be reached. */
export interface Counters {
  readonly links: ReadonlyMap<string, LinkCounters | null>;
  readonly backend: BackendCounters | null;
}

/** Why spans are missing. */
export type LossReason =
  /** The link's own counters say so: `chain_link_spans_dropped_total`. */
  | "queue_full"
  | "rejected"
  | "unavailable"
  | "shutdown"
  /** Still in the link's queue. */
  | "on_the_way"
  /** The link cannot be asked any more. */
  | "link_gone"
  /** The backend counted them as not stored. */
  | "refused"
  | "evicted"
  /** The links sent them and got a good answer, but the backend counted fewer. */
  | "never_received"
  /** The backend took them, and does not have them. */
  | "not_stored"
  /** Nobody's counters were there to ask. */
  | "unexplained";

export interface Loss {
  readonly link: string | null;
  readonly reason: LossReason;
  readonly spans: number;
}

const COUNTER_TIMEOUT_MS = 3000;

/** Asks all links and the backend for their counters; who does not answer in time is `null`. */
export async function readCounters(
  links: ReadonlyMap<string, string>,
  backend: { readonly kind: string; readonly url: string },
): Promise<Counters> {
  const [counters, backendCounters] = await Promise.all([
    Promise.all(
      [...links].map(async ([name, url]) => [name.toLowerCase(), await readLink(`${url}/metrics`)] as const),
    ),
    readBackend(backend),
  ]);
  return { links: new Map(counters), backend: backendCounters };
}

async function readLink(url: string): Promise<LinkCounters | null> {
  const text = await fetchText(url);
  if (text === null) return null;
  const dropped = new Map<string, number>();
  for (const [, reason = "", count] of text.matchAll(
    /^chain_link_spans_dropped_total\{reason="([^"]+)"\} (\d+)/gm,
  ))
    dropped.set(reason, Number(count));
  const value = (name: string) => {
    const match = new RegExp(`^${name} (\\d+)`, "m").exec(text);
    return match === null ? null : Number(match[1]);
  };
  const sent = value("chain_link_spans_sent_total");
  // Somebody else's metrics say nothing about our spans.
  return sent === null ? null : { sent, queued: value("chain_link_spans_queued") ?? 0, dropped };
}

async function readBackend({
  kind,
  url,
}: {
  readonly kind: string;
  readonly url: string;
}): Promise<BackendCounters | null> {
  if (kind === "zipkin") return readZipkin(await fetchText(`${url}/metrics`));
  if (kind === "collector") return readCollector(await fetchText(`${url}/health`));
  return null;
}

/** Zipkin's `/metrics`: https://github.com/openzipkin/zipkin/tree/master/zipkin-server#metrics */
function readZipkin(text: string | null): BackendCounters | null {
  const content = parseRecord(text);
  if (content === null) return null;
  const sum = (name: string) => {
    const counts = Object.entries(content).filter(([key]) =>
      key.startsWith(`counter.zipkin_collector.${name}.`),
    );
    return counts.length === 0 ? null : counts.reduce((total, [, count]) => total + Number(count), 0);
  };
  return { received: sum("spans"), refused: sum("spans_dropped"), evicted: null };
}

function readCollector(text: string | null): BackendCounters | null {
  const store = parseRecord(text)?.store;
  if (!isRecord(store)) return null;
  const { spans, evictedSpans, refusedSpans, duplicateSpans } = store as Record<string, number>;
  const counts = [spans, evictedSpans, refusedSpans, duplicateSpans];
  const received = counts.every(Number.isFinite)
    ? counts.reduce((sum = 0, count = 0) => sum + count, 0)
    : null;
  return { received: received ?? null, refused: refusedSpans ?? null, evicted: evictedSpans ?? null };
}

function parseRecord(text: string | null): Record<string, unknown> | null {
  try {
    const content: unknown = JSON.parse(text ?? "null");
    return isRecord(content) ? content : null;
  } catch {
    return null;
  }
}

async function fetchText(url: string): Promise<string | null> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(COUNTER_TIMEOUT_MS) });
    return response.ok ? await response.text() : null;
  } catch {
    return null;
  }
}

const DROP_REASONS = ["queue_full", "rejected", "unavailable", "shutdown"] as const;

/**
 * Says where missing spans went, by what counters grew from `before` to `after`: first by what links say of themselves, then by
 * what the backend says; never more than are missing.
 */
export function attributeLosses(tally: Tally, before: Counters | null, after: Counters): Loss[] {
  const losses: Loss[] = [];
  let open = tally.unattributed;
  let sent = 0;
  let isSentKnown = after.links.size > 0;
  const take = (link: string | null, reason: LossReason, available: number, missing: number) => {
    const spans = Math.max(0, Math.min(available, missing));
    if (spans > 0) losses.push({ link, reason, spans });
    return spans;
  };
  for (const name of new Set([...tally.links.keys(), ...after.links.keys()])) {
    const { server = 0, client = 0 } = tally.links.get(name) ?? {};
    let missing = server + client;
    const now = after.links.get(name);
    const then = before?.links.get(name);
    if (now === null) {
      missing -= take(name, "link_gone", missing, missing);
      isSentKnown = false;
    } else if (now !== undefined) {
      sent += now.sent - (then?.sent ?? 0);
      const grown = DROP_REASONS.map((reason) => {
        const count = (now.dropped.get(reason) ?? 0) - (then?.dropped.get(reason) ?? 0);
        return [reason, count] as const;
      });
      for (const [reason, count] of [...grown, ["on_the_way", now.queued] as const]) {
        const taken = take(name, reason, count, missing);
        missing -= taken;
        // What no trace could name as this link's may be its, too.
        open -= take(name, reason, count - taken, open);
      }
    }
    open += missing;
  }
  const backend = after.backend;
  const grew = (key: keyof BackendCounters) =>
    backend?.[key] === null || backend?.[key] === undefined
      ? null
      : backend[key] - (before?.backend?.[key] ?? 0);
  open -= take(null, "refused", grew("refused") ?? 0, open);
  open -= take(null, "evicted", grew("evicted") ?? 0, open);
  const received = grew("received");
  if (isSentKnown && received !== null) {
    open -= take(null, "never_received", sent - received, open);
    open -= take(null, "not_stored", open, open);
  }
  take(null, "unexplained", open, open);
  return losses;
}
