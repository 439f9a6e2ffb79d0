import { isField } from "../http/fields.ts";
import { formatTraceFlags } from "../trace/context.ts";
import { writeWord } from "../trace/hex.ts";
import type { RunIds } from "../trace/run.ts";

/** The parts that all requests of a run share. */
export interface RequestParts {
  readonly url: string;
  readonly method: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** `null` for no body. */
  readonly body: string | null;
}

/** Headers that frame the request or carry its trace context; the template writes them itself. */
const OWN_HEADERS = ["connection", "content-length", "transfer-encoding", "expect", "traceparent"];

/** What is expected instead of a header; `null` if the header is allowed. */
export function headerProblem(name: string, value: string): string | null {
  if (!isField(name, value))
    return "a header whose name is a token, and whose value has no control characters";
  return OWN_HEADERS.includes(name.toLowerCase())
    ? `another header: ${name} is written for each request`
    : null;
}

/**
 * The bytes of a request, rendered once. Each request only overwrites the ids and the flag in `traceparent`: the parent id is
 * the low half of the trace id, because the load generator records no span of its own.
 */
export class RequestTemplate {
  readonly bytes: Buffer;
  readonly #ids: RunIds;
  /** Offset of the low half of the trace id; parent id and flags follow. */
  readonly #lowAt: number;

  /** @throws {TypeError} if a header or the method cannot be sent */
  constructor({ url, method, headers, body }: RequestParts, ids: RunIds) {
    const { host, pathname, search } = new URL(url);
    if (!isField(method, "")) throw new TypeError(`${JSON.stringify(method)} is not a method`);
    const names = headers.map(([name]) => name.toLowerCase());
    const lines = names.includes("host") ? [] : [`Host: ${host}`];
    for (const [name, value] of headers) {
      const problem = headerProblem(name, value);
      if (problem !== null) throw new TypeError(`${name}: expected ${problem}`);
      lines.push(`${name}: ${value}`);
    }
    const content = Buffer.from(body ?? "");
    if (body !== null) lines.push(`Content-Length: ${content.length}`);
    const start = `${method} ${pathname}${search} HTTP/1.1\r\n${lines.join("\r\n")}\r\ntraceparent: 00-${ids.runId}`;
    const blank = `${"0".repeat(16)}-${"0".repeat(16)}-${formatTraceFlags(false, true)}\r\n\r\n`;
    this.bytes = Buffer.concat([Buffer.from(start + blank, "latin1"), content]);
    this.#ids = ids;
    this.#lowAt = start.length;
  }

  /** Makes the bytes those of one request. The connection copies them. */
  set(sequence: number, isSampled: boolean): void {
    const { bytes } = this;
    const ids = this.#ids;
    const at = this.#lowAt;
    ids.encode(sequence);
    writeWord(bytes, at, ids.high);
    writeWord(bytes, at + 8, ids.low);
    writeWord(bytes, at + 17, ids.high);
    writeWord(bytes, at + 25, ids.low);
    bytes[at + 35] = isSampled ? SAMPLED : UNSAMPLED;
  }
}

/** The second digit of `trace-flags`. */
const SAMPLED = formatTraceFlags(true, true).charCodeAt(1);
const UNSAMPLED = formatTraceFlags(false, true).charCodeAt(1);
