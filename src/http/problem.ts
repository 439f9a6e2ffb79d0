/**
 * What a scanner returns instead of a position. Positions are never negative, so one number carries both, and the
 * common case makes no object.
 */
export const INCOMPLETE = -1;
export const BAD_START_LINE = -2;
export const BAD_VERSION = -3;
export const BAD_FIELD_NAME = -4;
export const BAD_FIELD_VALUE = -5;
export const FOLDED_FIELD = -6;
export const BAD_LENGTH = -7;
export const TWO_LENGTHS = -8;
export const BAD_CODING = -9;
export const BAD_HOST = -10;
export const HEAD_TOO_LARGE = -11;
export const BAD_CHUNK = -12;
export const BODY_TOO_LARGE = -13;
export const BAD_STATUS = -14;
export const BAD_EXPECTATION = -15;

interface Problem {
  /** The status with which a server refuses it. */
  readonly status: number;
  readonly text: string;
}

const PROBLEMS: Readonly<Record<number, Problem>> = {
  [BAD_START_LINE]: { status: 400, text: "the first line is not that of an HTTP/1.1 message" },
  [BAD_VERSION]: { status: 505, text: "the version is not HTTP/1.0 or HTTP/1.1" },
  [BAD_FIELD_NAME]: { status: 400, text: "a header line has no valid name before its colon" },
  [BAD_FIELD_VALUE]: { status: 400, text: "a header value holds a control character" },
  [FOLDED_FIELD]: { status: 400, text: "a header is folded over several lines" },
  [BAD_LENGTH]: { status: 400, text: "Content-Length is not one decimal number" },
  [TWO_LENGTHS]: { status: 400, text: "the length of the body is given twice" },
  [BAD_CODING]: { status: 501, text: "Transfer-Encoding is not chunked" },
  [BAD_HOST]: { status: 400, text: "there is not exactly one Host header" },
  [HEAD_TOO_LARGE]: { status: 431, text: "the headers are too large" },
  [BAD_CHUNK]: { status: 400, text: "the chunks of the body are malformed" },
  [BODY_TOO_LARGE]: { status: 413, text: "the body is too large" },
  [BAD_STATUS]: { status: 400, text: "the status is not a number from 100 to 599, or was not asked for" },
  [BAD_EXPECTATION]: { status: 417, text: "Expect is not 100-continue" },
};

const UNKNOWN: Problem = { status: 400, text: "the message is malformed" };

export function problemOf(code: number): Problem {
  return PROBLEMS[code] ?? UNKNOWN;
}
