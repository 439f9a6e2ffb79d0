/** https://www.rfc-editor.org/rfc/rfc9112#section-3 */
import { CR, HASH, LF, SLASH, SPACE, TARGET, TOKEN, ZERO } from "./characters.ts";
import { Fields } from "./fields.ts";
import { isHost } from "./host.ts";
import {
  BAD_EXPECTATION,
  BAD_HOST,
  BAD_START_LINE,
  BAD_TARGET,
  HOST_COUNT,
  INCOMPLETE,
  OLD_CHUNKS,
} from "./problem.ts";
import { checkTarget } from "./target.ts";
import { scanVersion } from "./version.ts";

/** Request line and headers of one request, in place. */
export class RequestHead {
  readonly fields = new Fields();
  methodStart = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** HTTP/1.0: the connection closes unless keep-alive is requested, and there is no chunked coding. */
  isOld = false;
  isHead = false;

  /** Returns the offset just past the head, or a negative problem code. */
  scan(bytes: Buffer, start: number, end: number): number {
    let at = start;
    // Ignore empty lines before a request (section 2.2): some old clients send one after a body.
    while (at < end && bytes[at] === CR) {
      if (at + 1 === end) return INCOMPLETE;
      if (bytes[at + 1] !== LF) return BAD_START_LINE;
      at += 2;
    }
    this.methodStart = at;
    while (at < end && TOKEN[bytes[at] as number] === 1) at++;
    if (at === end) return INCOMPLETE;
    if (bytes[at] !== SPACE || at === this.methodStart) return BAD_START_LINE;
    this.methodEnd = at++;
    this.targetStart = at;
    while (at < end && TARGET[bytes[at] as number] === 1) at++;
    if (at === end) return INCOMPLETE;
    if (bytes[at] !== SPACE || at === this.targetStart)
      return bytes[at] === HASH ? BAD_TARGET : BAD_START_LINE;
    this.targetEnd = at++;
    const minor = scanVersion(bytes, at, end);
    if (minor < 0) return minor;
    this.isOld = minor === ZERO;
    at += 8;
    if (at === end) return INCOMPLETE;
    if (bytes[at++] !== CR) return BAD_START_LINE;
    if (at === end) return INCOMPLETE;
    if (bytes[at++] !== LF) return BAD_START_LINE;
    if (bytes[this.targetStart] !== SLASH) {
      const problem = checkTarget(bytes, this);
      if (problem !== 0) return problem;
    }
    this.isHead = isHeadMethod(bytes, this.methodStart);
    const next = this.fields.scan(bytes, at, end);
    return next < 0 ? next : this.#checkFraming(next);
  }

  /** Whether the connection may carry another request. */
  get keepsAlive(): boolean {
    return !this.fields.asksClose && (!this.isOld || this.fields.asksKeepAlive);
  }

  /** Whether the target is exactly this, as sent. */
  hasTarget(target: Uint8Array): boolean {
    const { targetStart } = this;
    if (this.targetEnd - targetStart !== target.length) return false;
    for (let i = 0; i < target.length; i++) {
      if (this.fields.bytes[targetStart + i] !== target[i]) return false;
    }
    return true;
  }

  #checkFraming(next: number): number {
    const { fields } = this;
    if (fields.hostCount !== 1 && (!this.isOld || fields.hostCount > 1)) return HOST_COUNT;
    if (fields.hostCount === 1) {
      const start = fields.valueStart(fields.hostIndex);
      const end = fields.valueEnd(fields.hostIndex);
      // A client sends an empty Host if its target has no authority (section 3.2).
      if (start < end && !isHost(fields.bytes, start, end)) return BAD_HOST;
    }
    // HTTP/1.0 does not know chunked coding, so the framing is faulty (section 6.1).
    if (fields.isChunked && this.isOld) return OLD_CHUNKS;
    return fields.hasOtherExpectation ? BAD_EXPECTATION : next;
  }
}

const HEAD = Buffer.from("HEAD ");

/** Whether the message at this offset is a HEAD request. */
export function isHeadMethod(bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < HEAD.length; i++) {
    if (bytes[start + i] !== HEAD[i]) return false;
  }
  return true;
}
