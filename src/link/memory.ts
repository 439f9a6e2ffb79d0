import { errorText, UserError } from "../lib/errors.ts";
import { formatSize } from "../lib/size.ts";

/** Memory is taken in pieces of this size, as no array is as large as a machine's memory. */
const PIECE_BYTES = 64 * 1024 ** 2;

/** Memory that is really there: a page belongs to a process only when something was written to it. */
export class HeldMemory {
  #pieces: ArrayBuffer[] = [];

  /** @throws {UserError} `limit-reached`: before the machine or the container runs out of it, as that ends processes. */
  constructor(bytes: number) {
    const freeBytes = bytes === 0 ? 0 : process.availableMemory();
    if (bytes > freeBytes) throw outOfMemory(bytes, `${Math.floor(freeBytes / MIB)}MiB are free`);
    try {
      for (let left = bytes; left > 0; left -= PIECE_BYTES) {
        const piece = new Uint8Array(Math.min(left, PIECE_BYTES)).fill(0xa5);
        this.#pieces.push(piece.buffer);
      }
    } catch (error) {
      this.release();
      throw outOfMemory(bytes, errorText(error));
    }
  }

  get bytes(): number {
    return this.#pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
  }

  /** Gives it back at once: a transfer frees what the collector would find later. */
  release(): void {
    for (const piece of this.#pieces) piece.transfer(0);
    this.#pieces = [];
  }
}

const MIB = 1024 ** 2;

function outOfMemory(bytes: number, reason: string): UserError {
  const message = `cannot hold ${formatSize(bytes)} of memory: ${reason}`;
  return new UserError("limit-reached", message, "Give the service less of it, or the machine more.");
}
