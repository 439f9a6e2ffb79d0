const EMPTY = Buffer.alloc(0);

/**
 * The bytes of a connection that are not yet understood: `at` to `end`. A chunk is taken over as it came, without a
 * copy; only what continues an unfinished head is put together. Bytes once received are never moved or overwritten, so
 * that views of them stay valid.
 */
export class Input {
  bytes: Buffer = EMPTY;
  at = 0;
  end = 0;
  /** Whether `bytes` was made here, and may be written to behind `end`. */
  #isOwn = false;

  get size(): number {
    return this.end - this.at;
  }

  push(chunk: Buffer): void {
    if (this.at < this.end) {
      this.#append(chunk);
      return;
    }
    this.bytes = chunk;
    this.at = 0;
    this.end = chunk.length;
    this.#isOwn = false;
  }

  /** Lets go of the bytes. */
  clear(): void {
    this.bytes = EMPTY;
    this.at = 0;
    this.end = 0;
    this.#isOwn = false;
  }

  #append(chunk: Buffer): void {
    const size = this.end - this.at;
    if (!this.#isOwn || this.end + chunk.length > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(1024, (size + chunk.length) * 2));
      this.bytes.copy(larger, 0, this.at, this.end);
      this.bytes = larger;
      this.at = 0;
      this.end = size;
      this.#isOwn = true;
    }
    chunk.copy(this.bytes, this.end);
    this.end += chunk.length;
  }
}
