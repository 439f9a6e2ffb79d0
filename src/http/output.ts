import type { Socket } from "bun";

/** What goes out on a connection. What the peer does not take at once waits here. */
export class Output {
  readonly #socket: Pick<Socket, "write">;
  #unsent: Buffer | null = null;

  constructor(socket: Pick<Socket, "write">) {
    this.#socket = socket;
  }

  get isFlushed(): boolean {
    return this.#unsent === null;
  }

  /** Copies what has to wait, so that `bytes` may be used again. */
  write(bytes: Uint8Array, start: number, end: number): void {
    if (this.#unsent !== null) {
      this.#unsent = Buffer.concat([this.#unsent, bytes.subarray(start, end)]);
      return;
    }
    const count = this.#socket.write(bytes, start, end - start);
    // Less than 0 is a connection that is gone, as its `close` will say.
    if (count >= 0 && count < end - start) this.#unsent = Buffer.from(bytes.subarray(start + count, end));
  }

  /** Writes on; returns how many bytes the peer took. */
  drain(): number {
    if (this.#unsent === null) return 0;
    const count = Math.max(0, this.#socket.write(this.#unsent));
    this.#unsent = count === this.#unsent.length ? null : this.#unsent.subarray(count);
    return count;
  }

  clear(): void {
    this.#unsent = null;
  }
}
