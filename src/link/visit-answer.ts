import type { Exchange } from "../http/exchange.ts";
import { readWord } from "../trace/hex.ts";
import { formatLedger } from "../trace/ledger.ts";
import { jsonResponse, type LinkResponse } from "./response.ts";
import { SpanId } from "./span-id.ts";
import type { Visit } from "./visit.ts";
import type { VisitLog } from "./visit-log.ts";

/** What `GET /ledger?parents=ID,ID` answers. */
export interface VisitAnswer {
  /** Of the log that was read. */
  readonly log: string;
  /** When the link was started, in milliseconds since 1970. */
  readonly startedMs: number;
  /** Visits that ended then or later are all known, in milliseconds since 1970; `null`: all since the link was started. */
  readonly coveredSinceMs: number | null;
  /** When the last visit ended that began a trace of its own, in milliseconds since 1970; `null`: never. */
  readonly lastBegunMs: number | null;
  /** For each parent: the ledgers of the spans that the link itself recorded, one for each visit that has ended. */
  readonly visits: Readonly<Record<string, readonly string[]>>;
  /** Parents of visits that have not ended. */
  readonly pending: readonly string[];
}

/** So many ids fit the longest request line that is read. */
export const MAX_PARENTS = 200;
const SPAN_ID = /^[0-9a-f]{16}$/;

/** Tells what was recorded for visits whose answers may have reached nobody. */
export function answerVisits(
  exchange: Exchange,
  log: VisitLog,
  inFlight: Iterable<Visit>,
  startedMs: number,
): LinkResponse {
  const { target } = exchange;
  const query = target.includes("?") ? target.slice(target.indexOf("?") + 1) : "";
  const parents = (new URLSearchParams(query).get("parents") ?? "").split(",").filter((id) => id !== "");
  if (parents.length > MAX_PARENTS || !parents.every((id) => SPAN_ID.test(id))) {
    return jsonResponse(400, {
      message: `parents: expected at most ${MAX_PARENTS} span ids of 16 hex digits`,
    });
  }
  const open = [...inFlight];
  const words = parents.map(wordsOf);
  const pending = parents.filter((_, index) => open.some((visit) => visit.isFor(words[index] as SpanId)));
  const found = log.find(words);
  const visits = Object.fromEntries(
    parents.map((id, index) => [
      id,
      found[index]?.map((spans) => formatLedger({ ...spans, unknown: 0 })) ?? [],
    ]),
  );
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
