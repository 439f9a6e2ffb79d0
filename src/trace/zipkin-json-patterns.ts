import { findMembers, skipValue } from "./json-slices.ts";
import type { Span } from "./span.ts";
import { type Hole, type HoleField, SpanPatterns } from "./span-patterns.ts";

const COMMA = 0x2c;
const QUOTE = 0x22;

const FIELDS: readonly HoleField[] = ["traceId", "parentId", "id", "timestamp", "duration"];

const patterns = new SpanPatterns();

/**
 * Reads the spans between the brackets of a JSON list, if they resemble earlier ones. Returns `undefined` if a full parser
 * must read the list, including when something is wrong, so that it can report what.
 * @param parse parses one span
 */
export function readAlike(
  bytes: Buffer,
  start: number,
  end: number,
  parse: (text: string) => Span | undefined,
): Span[] | undefined {
  const spans: Span[] = [];
  for (let at = start; ; at++) {
    let span = patterns.read(bytes, at);
    if (span === undefined && patterns.isWorthLearning()) span = readStranger(bytes, at, parse);
    if (span === undefined) return undefined;
    spans.push(span);
    at = patterns.end;
    if (at === end) return spans;
    if (at > end || bytes[at] !== COMMA) return undefined;
  }
}

function readStranger(
  bytes: Buffer,
  start: number,
  parse: (text: string) => Span | undefined,
): Span | undefined {
  try {
    const end = skipValue(bytes, start);
    const span = parse(bytes.toString("utf8", start, end));
    const holes = findHoles(bytes, start, end);
    if (span !== undefined && holes !== undefined) patterns.learn(bytes, start, end, holes, span);
    patterns.end = end;
    return span;
  } catch {
    return undefined;
  }
}

function findHoles(bytes: Buffer, start: number, end: number): Hole[] | undefined {
  const members = findMembers(bytes, { start, end });
  const holes: Hole[] = [];
  for (const field of FIELDS) {
    const place = members.get(field);
    if (place === undefined) continue;
    const quote = bytes[place.start] === QUOTE ? 1 : 0;
    const isTime = field === "timestamp" || field === "duration";
    // The parser accepts an unquoted id of digits, but ids in spans like it may have letters.
    if (!isTime && quote === 0) return undefined;
    holes.push({
      field,
      form: isTime ? "digits" : "hex",
      start: place.start - start + quote,
      end: place.end - start - quote,
    });
  }
  return holes;
}
