import { isIPv6 } from "node:net";

/**
 * A slow and plain HTTP/1.1 parser that works on text and sees the whole connection. The readers in `src/http` must agree
 * with it, whatever pieces the bytes come in.
 */

export interface Limits {
  readonly headBytes: number;
  readonly bodyBytes: number;
}

export interface Message {
  readonly startLine: readonly string[];
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  readonly keepsAlive: boolean;
}

/** `cut`: the connection ended before the message, or the received bytes cannot be part of one. */
export type Found<T> = T | "bad" | "cut" | "too large";

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for control characters.
const FIELD_LINE = /^([^:]*):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)$/;
const CHUNK_LINE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for control characters.
  /^([0-9a-fA-F]{1,12})([ \t]*;[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z][^\x00-\x08\x0a-\x1f\x7f]*)?\r\n/;
const MAX_FIELDS = 256;

/** The requests of a connection in order, and what ended them (`null`: all bytes were used). */
export function readRequests(text: string, limits: Limits): { requests: Message[]; end: string | null } {
  const requests: Message[] = [];
  let rest = text;
  while (rest !== "") {
    const found = readRequest(rest, limits);
    if (typeof found === "string") return { requests, end: found };
    requests.push(found.message);
    rest = rest.slice(found.size);
    if (!found.message.keepsAlive) return { requests, end: "closed" };
  }
  return { requests, end: null };
}

function readRequest(text: string, limits: Limits): Found<{ message: Message; size: number }> {
  let skipped = 0;
  while (text.startsWith("\r\n", skipped)) skipped += 2;
  const head = readHead(text, skipped, limits);
  if (typeof head === "string") return head;
  const { startLine, fields, end } = head;
  const line = /^([^ ]+) ([\x21-\x7e]+) HTTP\/1\.(\d)$/.exec(startLine);
  if (line === null || !TOKEN.test(line[1] ?? "") || !isTarget(line[1] ?? "", line[2] ?? "")) return "bad";
  const isOld = line[3] === "0";
  const framing = readFraming(fields, isOld);
  if (framing === "bad") return "bad";
  const hosts = valuesOf(fields, "host");
  if (hosts.length > 1 || (hosts.length === 0 && !isOld)) return "bad";
  if (hosts.some((host) => host !== "" && !isHost(host))) return "bad";
  if (valuesOf(fields, "expect").some((value) => value.toLowerCase() !== "100-continue")) return "bad";
  const content = readContent(text, end, framing, limits);
  if (typeof content === "string") return content;
  const keepsAlive = readKeepAlive(fields, isOld);
  return {
    message: { startLine: line.slice(1, 3), fields, body: content.body, keepsAlive },
    size: content.end,
  };
}

function isTarget(method: string, target: string): boolean {
  if (target.includes("#")) return false;
  if (target.startsWith("/")) return true;
  if (method === "CONNECT") return false;
  if (target === "*") return method === "OPTIONS";
  const [, authority] = /^https?:\/\/([^/?]*)(?:[/?].*)?$/i.exec(target) ?? [];
  return authority !== undefined && isHost(authority);
}

/** `host` or `host:port` according to RFC 3986, with a non-empty host and a numeric port. */
function isHost(text: string): boolean {
  const [, literal, name, port = ""] = /^(?:\[([^\]]*)\]|([^:]+))(?::(\d*))?$/.exec(text) ?? [];
  if (literal === undefined && name === undefined) return false;
  if (Number(port) > 65_535) return false;
  if (name !== undefined) return /^(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/.test(name);
  if (/^v[0-9a-f]+\.[a-z0-9\-._~!$&'()*+,;=:]+$/i.test(literal ?? "")) return true;
  return isIPv6(literal ?? "") && !(literal ?? "").includes("%");
}

export interface Response extends Message {
  readonly status: number;
  /** The connection can be reused. */
  readonly isReusable: boolean;
  /** The body ends when the connection ends. */
  readonly isUntilClose: boolean;
}

/** The only reply of a connection that carried `text` and was then closed. */
export function readResponse(text: string, limits: Limits, asksHead = false): Found<Response> {
  let start = 0;
  for (let interim = 0; ; ) {
    const head = readHead(text, start, limits);
    if (typeof head === "string") return head;
    const { startLine, fields, end } = head;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for control characters.
    const line = /^HTTP\/1\.(\d) ([1-5]\d\d)( [^\x00-\x08\x0a-\x1f\x7f]*)?$/.exec(startLine);
    if (line === null) return "bad";
    const isOld = line[1] === "0";
    const status = Number(line[2]);
    const framing = readFraming(fields, isOld);
    if (framing === "bad") return "bad";
    if (status < 200) {
      if (status === 101 || ++interim > 8) return "bad";
      start = end;
      continue;
    }
    const isBodiless = asksHead || status === 204 || status === 304;
    const isUntilClose = !isBodiless && framing === null;
    if (isUntilClose && text.length - end > limits.bodyBytes) return "too large";
    const content = isBodiless
      ? { body: "", end }
      : isUntilClose
        ? { body: text.slice(end), end: text.length }
        : readContent(text, end, framing, limits);
    if (typeof content === "string") return content;
    const keepsAlive = readKeepAlive(fields, isOld);
    const isReusable = keepsAlive && !isUntilClose && content.end === text.length;
    return { startLine: [], fields, body: content.body, keepsAlive, status, isReusable, isUntilClose };
  }
}

function readHead(
  text: string,
  start: number,
  limits: Limits,
): Found<{ startLine: string; fields: [string, string][]; end: number }> {
  const end = text.indexOf("\r\n\r\n", start);
  if (end === -1) return "cut";
  if (end + 4 - start > limits.headBytes) return "bad";
  const [startLine = "", ...lines] = text.slice(start, end).split("\r\n");
  if (lines.length > MAX_FIELDS) return "bad";
  const fields: [string, string][] = [];
  for (const line of lines) {
    const [, name = "", value = ""] = FIELD_LINE.exec(line) ?? [];
    if (!TOKEN.test(name)) return "bad";
    fields.push([name, value.replace(/[ \t]+$/, "")]);
  }
  return { startLine, fields, end: end + 4 };
}

/** A length, "chunked", or `null` for neither. */
function readFraming(fields: readonly (readonly [string, string])[], isOld: boolean) {
  const lengths = valuesOf(fields, "content-length");
  const codings = valuesOf(fields, "transfer-encoding");
  if (lengths.length + codings.length > 1) return "bad";
  const [length] = lengths;
  const [coding] = codings;
  if (length !== undefined) return /^\d{1,15}$/.test(length) ? Number(length) : "bad";
  if (coding !== undefined) return coding.toLowerCase() === "chunked" && !isOld ? "chunked" : "bad";
  return null;
}

function readContent(
  text: string,
  start: number,
  framing: number | "chunked" | null,
  limits: Limits,
): Found<{ body: string; end: number }> {
  if (framing === "chunked") return readChunks(text, start, limits);
  const length = framing ?? 0;
  if (length > limits.bodyBytes) return "too large";
  if (text.length < start + length) return "cut";
  return { body: text.slice(start, start + length), end: start + length };
}

function readChunks(text: string, start: number, limits: Limits): Found<{ body: string; end: number }> {
  let at = start;
  let body = "";
  for (;;) {
    const line = CHUNK_LINE.exec(text.slice(at));
    if (line === null) return "cut";
    at += line[0].length;
    const size = Number.parseInt(line[1] ?? "", 16);
    if (size === 0) break;
    if (body.length + size > limits.bodyBytes) return "too large";
    if (text.slice(at + size, at + size + 2) !== "\r\n") return "cut";
    body += text.slice(at, at + size);
    at += size + 2;
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for control characters.
  const trailer = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n)*\r\n/.exec(text.slice(at));
  return trailer === null ? "cut" : { body, end: at + trailer[0].length };
}

function readKeepAlive(fields: readonly (readonly [string, string])[], isOld: boolean): boolean {
  const options = valuesOf(fields, "connection")
    .flatMap((value) => value.split(","))
    .map((option) => option.replace(/^[ \t]+|[ \t]+$/g, "").toLowerCase());
  return !options.includes("close") && (!isOld || options.includes("keep-alive"));
}

function valuesOf(fields: readonly (readonly [string, string])[], name: string): string[] {
  return fields.filter(([found]) => found.toLowerCase() === name).map(([, value]) => value);
}
