/**
 * Problem codes that scanners return instead of an offset. Offsets are never negative, so one number carries both, and
 * the common case does not allocate.
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
export const HOST_COUNT = -16;
export const BAD_TARGET = -17;
export const BAD_METHOD = -18;
export const CHUNKED_NOT_LAST = -19;
export const OLD_CHUNKS = -20;
/** These do not come from a scanner: a server also rejects requests for them. */
export const HEAD_TIMEOUT = -21;
export const BODY_TIMEOUT = -22;
export const TOO_MANY_CONNECTIONS = -23;
export const STOPPING = -24;

export interface Problem {
  /** The status with which a server answers. */
  readonly status: number;
  /** The value of the metric's label. */
  readonly reason: string;
  readonly text: string;
}

const PROBLEMS: Readonly<Record<number, Problem>> = {
  [BAD_START_LINE]: {
    status: 400,
    reason: "start_line",
    text: "the first line is not that of an HTTP/1.1 message",
  },
  [BAD_VERSION]: { status: 505, reason: "version", text: "the version is not HTTP/1.0 or HTTP/1.1" },
  [BAD_FIELD_NAME]: {
    status: 400,
    reason: "header_name",
    text: "a header line has no valid name before its colon",
  },
  [BAD_FIELD_VALUE]: {
    status: 400,
    reason: "header_value",
    text: "a header value contains a control character",
  },
  [FOLDED_FIELD]: { status: 400, reason: "folded_header", text: "a header is folded over several lines" },
  [BAD_LENGTH]: { status: 400, reason: "content_length", text: "Content-Length is not one decimal number" },
  [TWO_LENGTHS]: { status: 400, reason: "two_lengths", text: "the length of the body is given twice" },
  [BAD_CODING]: { status: 501, reason: "transfer_coding", text: "Transfer-Encoding is not chunked" },
  [CHUNKED_NOT_LAST]: {
    status: 400,
    reason: "chunked_not_last",
    text: "chunked is not the last transfer coding, or occurs twice",
  },
  [OLD_CHUNKS]: { status: 400, reason: "old_chunks", text: "HTTP/1.0 has no Transfer-Encoding" },
  [HOST_COUNT]: { status: 400, reason: "host_count", text: "there is not exactly one Host header" },
  [BAD_HOST]: { status: 400, reason: "host", text: "Host is not a host name with an optional port" },
  [BAD_TARGET]: { status: 400, reason: "target", text: "the request target is malformed" },
  [BAD_METHOD]: { status: 501, reason: "method", text: "CONNECT is for proxies" },
  [HEAD_TOO_LARGE]: { status: 431, reason: "headers_too_large", text: "the headers are too large" },
  [BAD_CHUNK]: { status: 400, reason: "chunk", text: "the chunks of the body are malformed" },
  [BODY_TOO_LARGE]: { status: 413, reason: "body_too_large", text: "the body is too large" },
  [BAD_STATUS]: {
    status: 400,
    reason: "status",
    text: "the status is not a number from 100 to 599, or was not requested",
  },
  [BAD_EXPECTATION]: { status: 417, reason: "expectation", text: "Expect is not 100-continue" },
  [HEAD_TIMEOUT]: { status: 408, reason: "headers_timeout", text: "the headers took too long" },
  [BODY_TIMEOUT]: { status: 408, reason: "body_timeout", text: "the body took too long" },
  [TOO_MANY_CONNECTIONS]: { status: 503, reason: "connections", text: "too many connections are open" },
  [STOPPING]: { status: 503, reason: "stopping", text: "the server is stopping" },
};

const UNKNOWN: Problem = { status: 400, reason: "other", text: "the message is malformed" };

export function problemOf(code: number): Problem {
  return PROBLEMS[code] ?? UNKNOWN;
}
