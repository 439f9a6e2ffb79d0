import type { Exchange } from "../http/exchange.ts";
import { readWord } from "../trace/hex.ts";
import { formatLedger } from "../trace/ledger.ts";
import { jsonResponse, type LinkResponse } from "./response.ts";
import { SpanId } from "./span-id.ts";
import type { Visit } from "./visit.ts";
import type { VisitLog } from "./visit-log.ts";

/** A visit in a {@link VisitAnswer}. */
export interface ToldVisit {
  /** Identifies it within its log. */
  readonly number: number;
  /** The requested id that is the low half of its trace id; `null` if none is. */
  readonly trace: string | null;
  /** The requested id that it had as parent; `null` if none is. */
  readonly parent: string | null;
  /** The ledger of the spans that the link itself recorded. */
  readonly ledger: string;
}

/** The answer of `GET /ledger?ids=ID,ID`, in which an id is the low half of a trace id, or a span id. */
export interface VisitAnswer {
  /** The id of the log that was read. */
  readonly log: string;
  /** Start of the link, milliseconds since 1970. */
  readonly startedMs: number;
  /** Every visit that ended at this time or later is still known (milliseconds since 1970); `null`: every visit is. */
  readonly coveredSinceMs: number | null;
  /** When the last visit ended that began a new trace, milliseconds since 1970; `null`: never. */
  readonly lastBegunMs: number | null;
  /** Ended visits in these traces, and those with these spans as parent. */
  readonly visits: readonly ToldVisit[];
  /** Requested ids with visits that have not ended. */
  readonly pending: readonly string[];
}

/** As many ids as fit into the longest accepted request line. */
const MAX_IDS = 200;
const ID = /^[0-9a-f]{16}$/;

/** Reports what was recorded for visits whose answers may have been lost. */
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
