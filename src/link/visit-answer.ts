import type { Exchange } from "../http/exchange.ts";
import { readWord } from "../trace/hex.ts";
import { formatLedger } from "../trace/ledger.ts";
import { jsonResponse, type LinkResponse } from "./response.ts";
import { SpanId } from "./span-id.ts";
import type { Visit } from "./visit.ts";
import type { VisitLog } from "./visit-log.ts";

/** A visit as it is told. */
export interface ToldVisit {
  /** Tells it from all others of its log. */
  readonly number: number;
  /** The id of those asked for that is the low half of its trace id; `null` where none is. */
  readonly trace: string | null;
  /** The id of those asked for that it named as parent; `null` where none is. */
  readonly parent: string | null;
  /** Of the spans that the link itself recorded. */
  readonly ledger: string;
}

/** What `GET /ledger?ids=ID,ID` answers, where an id is the low half of a trace id, or the id of a span. */
export interface VisitAnswer {
  /** Of the log that was read. */
  readonly log: string;
  /** When the link was started, in milliseconds since 1970. */
  readonly startedMs: number;
  /** Visits that ended then or later are all known, in milliseconds since 1970; `null`: all since the link was started. */
  readonly coveredSinceMs: number | null;
  /** When the last visit ended that began a trace of its own, in milliseconds since 1970; `null`: never. */
  readonly lastBegunMs: number | null;
  /** Visits of these traces, and those that named these spans as parent, which have ended. */
  readonly visits: readonly ToldVisit[];
  /** Ids of which there are visits that have not ended. */
  readonly pending: readonly string[];
}

/** So many ids fit the longest request line that is read. */
export const MAX_IDS = 200;
const ID = /^[0-9a-f]{16}$/;

/** Tells what was recorded for visits whose answers may have reached nobody. */
export function answerVisits(
  exchange: Exchange,
  log: VisitLog,
  link: number,
  inFlight: Iterable<Visit>,
  startedMs: number,
): LinkResponse {
  const { target } = exchange;
  const query = target.includes("?") ? target.slice(target.indexOf("?") + 1) : "";
  const ids = (new URLSearchParams(query).get("ids") ?? "").split(",").filter((id) => id !== "");
  if (ids.length > MAX_IDS || !ids.every((id) => ID.test(id)))
    return jsonResponse(400, { message: `ids: expected at most ${MAX_IDS} ids of 16 hex digits` });
  const open = [...inFlight];
  const words = ids.map(wordsOf);
  const pending = ids.filter((_, index) => open.some((visit) => visit.isFor(words[index] as SpanId)));
  const visits = log.find(link, words).map(({ number, traceAt, parentAt, spans }) => ({
    number,
    trace: ids[traceAt] ?? null,
    parent: ids[parentAt] ?? null,
    ledger: formatLedger({ ...spans, unknown: 0 }),
  }));
  const nowMs = performance.now();
  const epochMs = (agoMs: number) => Math.round(Date.now() - agoMs);
  const coveredMs = log.coveredMs(nowMs);
  const answer: VisitAnswer = {
    log: log.id,
    startedMs,
    coveredSinceMs: coveredMs === null ? null : epochMs(coveredMs),
    lastBegunMs: log.lastBegunMs === null ? null : epochMs(nowMs - log.lastBegunMs),
    visits,
    pending,
  };
  return jsonResponse(200, answer);
}

function wordsOf(id: string): SpanId {
  const words = new SpanId();
  const digits = Buffer.from(id);
  words.take(readWord(digits, 0), readWord(digits, 8));
  return words;
}
