/** https://www.rfc-editor.org/rfc/rfc9112#section-7.1 */
import type { ByteWriter } from "./byte-writer.ts";
import { COLON, CR, FIELD_VALUE, HEX_VALUE, LF, SEMICOLON, SPACE, TAB, TOKEN } from "./characters.ts";
import { BAD_CHUNK, BODY_TOO_LARGE } from "./problem.ts";

/** Larger than any limit, and exact in a double. */
const MAX_SIZE_DIGITS = 12;
/** Maximum bytes of all extensions and trailers of a body; they are read and discarded. */
const MAX_EXTRA_BYTES = 16 * 1024;

type State =
  | "size"
  | "blank"
  | "extension-name"
  | "extension"
  | "size-lf"
  | "data"
  | "data-cr"
  | "data-lf"
  | "line"
  | "trailer-name"
  | "trailer"
  | "trailer-lf"
  | "last-lf"
  | "done";

/** Decodes a chunked body, in pieces of any size. */
export class ChunkReader {
  #state: State = "size";
  /** Bytes missing from the current chunk. */
  #missing = 0;
  #digits = 0;
  #extraBytes = 0;
  #limitBytes = 0;
  /** Bytes of data so far, and how many of them are kept. */
  #dataBytes = 0;
  #keptBytes = 0;

  start(limitBytes: number, keptBytes: number): void {
    this.#state = "size";
    this.#missing = 0;
    this.#digits = 0;
    this.#extraBytes = 0;
    this.#limitBytes = limitBytes;
    this.#dataBytes = 0;
    this.#keptBytes = keptBytes;
  }

  get isDone(): boolean {
    return this.#state === "done";
  }

  /** Appends the data to keep to `body`, and returns the offset just past what was read, or a negative problem code. */
  read(bytes: Buffer, start: number, end: number, body: ByteWriter): number {
    let at = start;
    while (at < end && this.#state !== "done") {
      if (this.#state === "data") {
        const count = Math.min(this.#missing, end - at);
        const kept = Math.min(count, this.#keptBytes - body.length);
        if (kept > 0) body.copy(bytes, at, at + kept);
        at += count;
        this.#dataBytes += count;
        this.#missing -= count;
        if (this.#missing === 0) this.#state = "data-cr";
        continue;
      }
      const next = this.#step(bytes[at++] as number);
      if (next === null) return BAD_CHUNK;
      this.#state = next;
      if (this.#missing + this.#dataBytes > this.#limitBytes) return BODY_TOO_LARGE;
      if (this.#extraBytes > MAX_EXTRA_BYTES) return BAD_CHUNK;
    }
    return at;
  }

  /** The state after a byte that is not data; `null` if the byte is not allowed here. */
  #step(byte: number): State | null {
    switch (this.#state) {
      case "size":
        return this.#readSize(byte);
      case "blank":
        // Whitespace may precede an extension, but not the end of the line.
        this.#extraBytes++;
        if (byte === SEMICOLON) return "extension-name";
        return byte === SPACE || byte === TAB ? "blank" : null;
      case "extension-name":
        this.#extraBytes++;
        if (TOKEN[byte] === 1) return "extension";
        return byte === SPACE || byte === TAB ? "extension-name" : null;
      case "extension":
        this.#extraBytes++;
        if (byte === CR) return "size-lf";
        return FIELD_VALUE[byte] === 1 ? "extension" : null;
      case "size-lf":
        if (byte !== LF) return null;
        this.#digits = 0;
        return this.#missing === 0 ? "line" : "data";
      case "data-cr":
        return byte === CR ? "data-lf" : null;
      case "data-lf":
        return byte === LF ? "size" : null;
      case "line":
        if (byte === CR) return "last-lf";
        return this.#readTrailerName(byte);
      case "trailer-name":
        return byte === COLON ? "trailer" : this.#readTrailerName(byte);
      case "trailer":
        this.#extraBytes++;
        if (byte === CR) return "trailer-lf";
        return FIELD_VALUE[byte] === 1 ? "trailer" : null;
      case "trailer-lf":
        return byte === LF ? "line" : null;
      case "last-lf":
        return byte === LF ? "done" : null;
      default:
        return null;
    }
  }

  #readSize(byte: number): State | null {
    const digit = HEX_VALUE[byte] as number;
    if (digit !== 255) {
      if (++this.#digits > MAX_SIZE_DIGITS) return null;
      this.#missing = this.#missing * 16 + digit;
      return "size";
    }
    if (this.#digits === 0) return null;
    if (byte === CR) return "size-lf";
    if (byte === SEMICOLON) return "extension-name";
    return byte === SPACE || byte === TAB ? "blank" : null;
  }

  /** Trailers are header lines: those that are folded, or lack a name or colon, are malformed. */
  #readTrailerName(byte: number): State | null {
    this.#extraBytes++;
    return TOKEN[byte] === 1 ? "trailer-name" : null;
  }
}
