/** https://www.rfc-editor.org/rfc/rfc9112#section-6 */
import { ByteWriter } from "./byte-writer.ts";
import { ChunkReader } from "./chunks.ts";
import { BODY_TOO_LARGE } from "./problem.ts";

const EMPTY = Buffer.alloc(0);
/** Up to here, an announced length is allocated at once; beyond, memory grows as bytes arrive. */
const FIRST_CAPACITY = 64 * 1024;

/** Reads the body of one message, in pieces of any size. A body that arrives in one piece is not copied. */
export class BodyReader {
  /** Holds the body between {@link start} and {@link end}, once {@link isDone}. */
  bytes: Buffer = EMPTY;
  start = 0;
  end = 0;
  isDone = true;
  /** The body ends when the connection ends. */
  isUntilClose = false;
  readonly #keptBytes: number;
  #length = 0;
  /** Bytes read so far; {@link #parts} holds those that are kept. */
  #readBytes = 0;
  #isChunked = false;
  #limitBytes = 0;
  #parts: ByteWriter | null = null;
  #chunks: ChunkReader | null = null;

  /** @param keptBytes maximum bytes to keep of a body that comes in pieces, from its start */
  constructor(keptBytes = Number.POSITIVE_INFINITY) {
    this.#keptBytes = keptBytes;
  }

  beginEmpty(): void {
    this.bytes = EMPTY;
    this.start = 0;
    this.end = 0;
    this.isDone = true;
    this.isUntilClose = false;
  }

  /** Returns 0, or a negative problem code. */
  beginLength(length: number, limitBytes: number): number {
    this.beginEmpty();
    if (length > limitBytes) return BODY_TOO_LARGE;
    this.#length = length;
    this.#parts = null;
    this.#isChunked = false;
    this.isDone = length === 0;
    return 0;
  }

  beginChunked(limitBytes: number): void {
    this.beginEmpty();
    this.#isChunked = true;
    this.isDone = false;
    this.#parts = new ByteWriter();
    this.#chunks ??= new ChunkReader();
    this.#chunks.start(limitBytes, this.#keptBytes);
  }

  beginUntilClose(limitBytes: number): void {
    this.beginEmpty();
    this.#isChunked = false;
    this.#limitBytes = limitBytes;
    this.#readBytes = 0;
    this.isUntilClose = true;
    this.isDone = false;
    this.#parts = new ByteWriter();
  }

  /** Returns the offset just past the body's bytes, or a negative problem code. */
  read(bytes: Buffer, at: number, end: number): number {
    if (this.#isChunked) return this.#readChunks(bytes, at, end);
    if (this.isUntilClose) return this.#readRest(bytes, at, end);
    if (this.#parts === null && end - at >= this.#length) {
      this.#finish(bytes, at, at + this.#length);
      return this.end;
    }
    return this.#readPart(bytes, at, end);
  }

  /** Ends the body because the connection ended. */
  finishAtClose(): void {
    if (this.#parts !== null) this.#finish(this.#parts.bytes, 0, this.#parts.length);
  }

  /** A view of the whole body; empty if there is none. */
  view(): Buffer {
    return this.start === this.end ? EMPTY : this.bytes.subarray(this.start, this.end);
  }

  /** Releases a body that is larger than this. */
  shrink(capacity: number): void {
    if (this.bytes.length > capacity) this.bytes = EMPTY;
  }

  /** Releases the bytes. */
  clear(): void {
    this.beginEmpty();
    this.#parts = null;
    this.#isChunked = false;
  }

  #readPart(bytes: Buffer, at: number, end: number): number {
    if (this.#parts === null) {
      this.#parts = new ByteWriter(Math.min(this.#length, this.#keptBytes, FIRST_CAPACITY));
      this.#readBytes = 0;
    }
    const parts = this.#parts;
    const next = Math.min(end, at + this.#length - this.#readBytes);
    this.#take(parts, bytes, at, next);
    if (this.#readBytes === this.#length) this.#finish(parts.bytes, 0, parts.length);
    return next;
  }

  #readRest(bytes: Buffer, at: number, end: number): number {
    const parts = this.#parts as ByteWriter;
    if (this.#readBytes + end - at > this.#limitBytes) return BODY_TOO_LARGE;
    this.#take(parts, bytes, at, end);
    return end;
  }

  #take(parts: ByteWriter, bytes: Buffer, at: number, end: number): void {
    this.#readBytes += end - at;
    const kept = Math.min(end, at + this.#keptBytes - parts.length);
    if (kept > at) parts.copy(bytes, at, kept);
  }

  #readChunks(bytes: Buffer, at: number, end: number): number {
    const parts = this.#parts as ByteWriter;
    const chunks = this.#chunks as ChunkReader;
    const next = chunks.read(bytes, at, end, parts);
    if (next >= 0 && chunks.isDone) this.#finish(parts.bytes, 0, parts.length);
    return next;
  }

  #finish(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.isDone = true;
    this.#parts = null;
  }
}
