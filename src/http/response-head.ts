/** https://www.rfc-editor.org/rfc/rfc9112#section-4 */
import { CR, FIELD_VALUE, LF, NINE, SPACE, ZERO } from "./characters.ts";
import { Fields } from "./fields.ts";
import { BAD_CODING, BAD_START_LINE, BAD_STATUS, INCOMPLETE } from "./problem.ts";
import { scanVersion } from "./version.ts";

/** Status line and headers of one response, in place. */
export class ResponseHead {
  readonly fields = new Fields();
  /** 100 to 599. */
  status = 0;
  /** HTTP/1.0 */
  isOld = false;

  /** Returns the offset just past the head, or a negative problem code. */
  scan(bytes: Buffer, start: number, end: number): number {
    const minor = scanVersion(bytes, start, end);
    if (minor < 0) return minor;
    this.isOld = minor === ZERO;
    let at = start + 8;
    if (at === end) return INCOMPLETE;
    if (bytes[at++] !== SPACE) return BAD_START_LINE;
    this.status = 0;
    for (const last = at + 3; at < last; at++) {
      if (at === end) return INCOMPLETE;
      const digit = bytes[at] as number;
      if (digit < ZERO || digit > NINE) return BAD_START_LINE;
      this.status = this.status * 10 + digit - ZERO;
    }
    if (this.status < 100 || this.status > 599) return BAD_STATUS;
    if (at === end) return INCOMPLETE;
    // The space is required, but some servers omit it together with the reason phrase.
    if (bytes[at] !== SPACE && bytes[at] !== CR) return BAD_START_LINE;
    while (at < end && FIELD_VALUE[bytes[at] as number] === 1) at++;
    if (at === end) return INCOMPLETE;
    if (bytes[at++] !== CR) return BAD_START_LINE;
    if (at === end) return INCOMPLETE;
    if (bytes[at++] !== LF) return BAD_START_LINE;
    const next = this.fields.scan(bytes, at, end);
    return next >= 0 && this.fields.isChunked && this.isOld ? BAD_CODING : next;
  }

  /** Whether the connection may carry another request. */
  get keepsAlive(): boolean {
    return !this.fields.asksClose && (!this.isOld || this.fields.asksKeepAlive);
  }

  /** Responses that never have a body, whatever their headers say (section 6.3). */
  get isBodiless(): boolean {
    return this.status === 204 || this.status === 304 || this.status < 200;
  }
}
