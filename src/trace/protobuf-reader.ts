// https://protobuf.dev/programming-guides/encoding/
import { readUtf8 } from "./text-cache.ts";

/** The bytes are not a protobuf message. */
export class ProtobufError extends Error {
  override readonly name = "ProtobufError";
}

const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
const FIXED32 = 5;
const MAX_VARINT_BYTES = 10;

/** Number of fields that may still be read in one large message and the messages nested in it. */
class FieldBudget {
  left = MAX_FIELDS;
}

/** More fields would take longer than about 20 ms from here to the store. */
const MAX_FIELDS = 50_000;
/** A smaller message cannot have too many fields. */
const UNCHECKED_BYTES = 64 * 1024;

/**
 * Reads one message front to back: `while (reader.next()) switch (reader.field)`, with one `read…` for each wanted field.
 * Fields that are not read, or are read as another wire type than they have, are skipped.
 */
export class ProtobufReader {
  /** The number of the current field. */
  field = 0;
  #type = VARINT;
  #at: number;
  /** The offset at which the field's value starts. */
  #start: number;
  readonly #end: number;
  readonly #bytes: Buffer;
  readonly #budget: FieldBudget | undefined;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length, budget?: FieldBudget) {
    this.#budget = budget;
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = start;
    this.#start = start;
    this.#end = end;
  }

  /** Advances to the next field; false at the end. @throws {ProtobufError} if the message is truncated or malformed */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    if (this.#budget !== undefined && this.#budget.left-- <= 0)
      throw new ProtobufError(`one span or resource has more than ${MAX_FIELDS} fields`);
    const key = this.#varint();
    this.field = key < 2 ** 31 ? key >>> 3 : Math.floor(key / 8);
    this.#type = key % 8;
    if (this.field === 0) throw new ProtobufError("a field has the number 0");
    this.#start = this.#at;
    if (this.#type === VARINT) this.#varint();
    else if (this.#type === FIXED64) this.#at += 8;
    else if (this.#type === FIXED32) this.#at += 4;
    else if (this.#type === BYTES) {
      const length = this.#varint();
      this.#start = this.#at;
      this.#at += length;
    } else throw new ProtobufError(`field ${this.field} has the wire type ${this.#type}`);
    if (this.#at > this.#end) throw new ProtobufError(`field ${this.field} ends past the end of the message`);
    return true;
  }

  /** An integer as a double, exact up to 2^53. Negative values are 64-bit two's complement. */
  readNumber(): number {
    if (this.#type === FIXED64) return Number(this.#bytes.readBigUInt64LE(this.#start));
    if (this.#type === FIXED32) return this.#bytes.readUInt32LE(this.#start);
    if (this.#type !== VARINT) return 0;
    const end = this.#at;
    this.#at = this.#start;
    const value = this.#varint();
    this.#at = end;
    return value >= 2 ** 63 ? value - 2 ** 64 : value;
  }

  /** A signed 64-bit integer. */
  readInteger(): bigint {
    if (this.#type === FIXED64) return this.#bytes.readBigInt64LE(this.#start);
    let value = 0n;
    for (let at = this.#start, shift = 0n; at < this.#at; at++, shift += 7n)
      value |= BigInt((this.#bytes[at] ?? 0) & 0x7f) << shift;
    return BigInt.asIntN(64, value);
  }

  readDouble(): number {
    return this.#type === FIXED64 ? this.#bytes.readDoubleLE(this.#start) : 0;
  }

  readText(): string {
    return this.#type === BYTES ? readUtf8(this.#bytes, this.#start, this.#at) : "";
  }

  readHex(): string {
    return this.#type === BYTES ? this.#bytes.toString("hex", this.#start, this.#at) : "";
  }

  readBytes(): Buffer {
    return this.#type === BYTES ? this.#bytes.subarray(this.#start, this.#at) : Buffer.alloc(0);
  }

  /** The offset of the current field's value. */
  get start(): number {
    return this.#start;
  }

  /** The size of the current field's value, in bytes. */
  get size(): number {
    return this.#at - this.#start;
  }

  /** `FIXED64`, `BYTES`, or another wire type. */
  get type(): number {
    return this.#type;
  }

  /** The message in the current field. */
  message(): ProtobufReader {
    return this.#type === BYTES
      ? new ProtobufReader(this.#bytes, this.#start, this.#at, this.#budget)
      : new ProtobufReader(this.#bytes, 0, 0);
  }

  /** The message in the current field, without this message's limit, for one whose fields are not all read in one go. */
  unlimited(): ProtobufReader {
    return this.#type === BYTES
      ? new ProtobufReader(this.#bytes, this.#start, this.#at)
      : new ProtobufReader(this.#bytes, 0, 0);
  }

  /** The message in the current field, to be read in one go. It and its nested messages may have at most {@link MAX_FIELDS} fields. */
  piece(): ProtobufReader {
    if (this.#type !== BYTES || this.size < UNCHECKED_BYTES) return this.message();
    return new ProtobufReader(this.#bytes, this.#start, this.#at, new FieldBudget());
  }

  #varint(): number {
    // Nearly all varints are one byte long.
    const first = this.#bytes[this.#at] as number;
    if (first < 0x80 && this.#at < this.#end) {
      this.#at++;
      return first;
    }
    let value = 0;
    let factor = 1;
    for (let count = 0; count < MAX_VARINT_BYTES; count++) {
      if (this.#at >= this.#end) throw new ProtobufError("a number ends past the end of the message");
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
    throw new ProtobufError("a number is longer than 10 bytes");
  }
}
