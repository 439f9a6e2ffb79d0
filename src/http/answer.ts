import { lowerBytes } from "./characters.ts";
import { isField, isSameName } from "./fields.ts";

/** An answer as plain values. */
export interface Answer {
  /** 200 to 599. */
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | Uint8Array;
}

const CONTENT_LENGTH = lowerBytes("content-length");
const TRANSFER_ENCODING = lowerBytes("transfer-encoding");
const DATE = lowerBytes("date");
export const CONNECTION = lowerBytes("connection");

/** Reason phrases of the statuses that links and their callees commonly use; RFC 9110 makes the phrase optional. */
const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "No Content",
  301: "Moved Permanently",
  302: "Found",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

const statusLines = new Map<number, Buffer>();

/**
 * The status line of an answer, including its line end.
 * @throws {RangeError} if the status is not that of a final answer
 */
export function statusLine(status: number): Buffer {
  const known = statusLines.get(status);
  if (known !== undefined) return known;
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new RangeError(`expected a status from 200 to 599, got ${status}`);
  }
  const line = Buffer.from(`HTTP/1.1 ${status} ${REASONS[status] ?? ""}\r\n`);
  statusLines.set(status, line);
  return line;
}

/**
 * The first bytes of an answer, prepared once and reused: the status line and the constant headers. Without `Date`,
 * `Content-Length`, `Connection` and the empty line, which the server writes.
 * @throws {TypeError} if a header cannot be sent, or is one that the server writes
 */
export function prepareHead(status: number, headers: Answer["headers"]): Buffer {
  return Buffer.concat([statusLine(status), Buffer.from(headers.map(renderField).join(""), "latin1")]);
}

/** @throws {TypeError} */
export function renderField([name, value]: readonly [name: string, value: string]): string {
  if (!isField(name, value)) throw new TypeError(`the header ${JSON.stringify(name)} cannot be sent`);
  if (isOwnField(name)) throw new TypeError(`the header ${name} is written by the server`);
  return `${name}: ${value}\r\n`;
}

/** Whether the server writes this header itself. */
function isOwnField(name: string): boolean {
  return [CONTENT_LENGTH, TRANSFER_ENCODING, DATE, CONNECTION].some((own) => isSameName(name, own));
}
