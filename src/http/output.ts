import type { Socket } from "bun";

/** The outgoing bytes of a connection. Bytes that the peer does not accept yet are queued here. */
export class Output {
  readonly #socket: Pick<Socket, "write">;
  #unsent: Buffer | null = null;

  constructor(socket: Pick<Socket, "write">) {
    this.#socket = socket;
  }

  get isFlushed(): boolean {
    return this.#unsent === null;
  }

  /** Copies bytes that have to wait, so that the caller may reuse `bytes`. */
  write(bytes: Uint8Array, start: number, end: number): void {
    if (this.#unsent !== null) {
      this.#unsent = Buffer.concat([this.#unsent, bytes.subarray(start, end)]);
      return;
    }
    const count = this.#socket.write(bytes, start, end - start);
    // A negative count means that the connection is closed; its `close` handler follows.
    if (count >= 0 && count < end - start) this.#unsent = Buffer.from(bytes.subarray(start + count, end));
  }

  /** Writes queued bytes; returns how many the peer accepted. */
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
