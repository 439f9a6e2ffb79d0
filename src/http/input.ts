const EMPTY = Buffer.alloc(0);

/**
 * The unread bytes of a connection, from `at` to `end`. A chunk is used as received, without a copy; only the continuation
 * of an incomplete head is concatenated. Received bytes are never moved or overwritten, so views of them stay valid.
 */
export class Input {
  bytes: Buffer = EMPTY;
  at = 0;
  end = 0;
  /** Whether `bytes` was allocated here, so that it is writable after `end`. */
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

  /** Releases the bytes. */
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
