// https://protobuf.dev/programming-guides/encoding/

/** Wire types. */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const FIRST_CAPACITY = 4096;
/** A smaller length takes one byte. */
const ONE_BYTE = 0x80;

/**
 * Writes a message front to back into one buffer. The length of a nested message precedes it, but is known only after it:
 * one byte is reserved, and the message moves if its length needs more, which short messages never do.
 */
export class ProtobufWriter {
  #buffer = Buffer.allocUnsafe(FIRST_CAPACITY);
  #end = 0;

  /** An integer from 0 to 2^53 - 1. */
  varint(field: number, value: number): this {
    this.#number(field * 8 + VARINT);
    this.#number(value);
    return this;
  }

  fixed64(field: number, value: bigint): this {
    this.#number(field * 8 + FIXED64);
    this.#reserve(8);
    this.#end = this.#buffer.writeBigUInt64LE(value, this.#end);
    return this;
  }

  /** Bytes, given as hex digits. */
  hex(field: number, digits: string): this {
    return this.#prefixed(field, () => {
      this.#reserve(digits.length / 2);
      this.#end += this.#buffer.write(digits, this.#end, "hex");
    });
  }

  text(field: number, value: string): this {
    return this.#prefixed(field, () => {
      this.#reserve(value.length * 3);
      this.#end += this.#buffer.write(value, this.#end, "utf8");
    });
  }

  nested(field: number, write: (message: this) => void): this {
    return this.#prefixed(field, () => write(this));
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#end);
  }

  #prefixed(field: number, write: () => void): this {
    this.#number(field * 8 + BYTES);
    this.#reserve(1);
    const start = ++this.#end;
    write();
    const length = this.#end - start;
    if (length < ONE_BYTE) {
      this.#buffer[start - 1] = length;
      return this;
    }
    const more = sizeOfNumber(length) - 1;
    this.#reserve(more);
    this.#buffer.copyWithin(start + more, start, this.#end);
    this.#end = start - 1;
    this.#number(length);
    this.#end += length;
    return this;
  }

  #number(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= ONE_BYTE) {
      this.#buffer[this.#end++] = (rest % ONE_BYTE) + ONE_BYTE;
      rest = Math.floor(rest / ONE_BYTE);
    }
    this.#buffer[this.#end++] = rest;
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#end + bytes));
    this.#buffer.copy(larger, 0, 0, this.#end);
    this.#buffer = larger;
  }
}

function sizeOfNumber(value: number): number {
  let size = 1;
  for (let rest = value; rest >= ONE_BYTE; rest = Math.floor(rest / ONE_BYTE)) size++;
  return size;
}

/** The first field with this number in a message; `undefined` if there is none or the message is not protobuf. */
export function findProtobufField(message: Uint8Array, wanted: number): number | Uint8Array | undefined {
  let at = 0;
  const readNumber = () => {
    let value = 0;
    for (let factor = 1; at < message.length; factor *= ONE_BYTE) {
      const byte = message[at++] ?? 0;
      value += (byte % ONE_BYTE) * factor;
      if (byte < ONE_BYTE) break;
    }
    return value;
  };
  while (at < message.length) {
    const key = readNumber();
    const type = key % 8;
    const isWanted = Math.floor(key / 8) === wanted;
    if (type === VARINT) {
      const value = readNumber();
      if (isWanted) return value;
    } else if (type === BYTES) {
      const length = readNumber();
      if (isWanted) return message.subarray(at, at + length);
      at += length;
    } else if (type === FIXED64 || type === FIXED32) at += type === FIXED64 ? 8 : 4;
    else return undefined;
  }
  return undefined;
}
