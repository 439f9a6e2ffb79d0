import { ZERO } from "./characters.ts";

const FIRST_CAPACITY = 1024;
/** Up to this length, a loop is cheaper than a call into the runtime. */
const LOOP_BYTES = 32;
/** Accepts any bytes as `this`. */
const copyBytes = Buffer.prototype.copy as (
  this: Uint8Array,
  target: Uint8Array,
  targetStart: number,
  start: number,
  end: number,
) => number;

/** A growing byte buffer. One object is reused: `length = 0` starts over. */
export class ByteWriter {
  bytes: Buffer;
  length = 0;

  constructor(capacity = FIRST_CAPACITY) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
  }

  /** Makes room for this many more bytes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }

  copy(source: Uint8Array, start = 0, end: number = source.length): void {
    const count = end - start;
    this.reserve(count);
    const { bytes, length } = this;
    if (count <= LOOP_BYTES) {
      for (let i = 0; i < count; i++) bytes[length + i] = source[start + i] as number;
    } else {
      // 38 ns at any length; `set(subarray())` takes 90 ns and allocates.
      copyBytes.call(source, bytes, length, start, end);
    }
    this.length = length + count;
  }

  /** Writes text whose characters are all below 256. */
  latin1(text: string): void {
    this.reserve(text.length);
    this.length += this.bytes.write(text, this.length, "latin1");
  }

  /** Writes a non-negative integer. */
  decimal(value: number): void {
    let digits = 1;
    for (let limit = 10; value >= limit; limit *= 10) digits++;
    this.reserve(digits);
    let rest = value;
    for (let at = this.length + digits - 1; at >= this.length; at--) {
      const quotient = Math.floor(rest / 10);
      this.bytes[at] = ZERO + rest - quotient * 10;
      rest = quotient;
    }
    this.length += digits;
  }

  /** Writes the same byte `count` times. */
  fill(byte: number, count: number): void {
    this.reserve(count);
    this.bytes.fill(byte, this.length, this.length + count);
    this.length += count;
  }

  /** Starts over, and releases a buffer larger than this. */
  shrink(capacity: number): void {
    this.length = 0;
    if (this.bytes.length > capacity) this.bytes = Buffer.allocUnsafeSlow(FIRST_CAPACITY);
  }

  /** A copy of what was written. */
  take(): Buffer {
    return Buffer.from(this.bytes.subarray(0, this.length));
  }
}
