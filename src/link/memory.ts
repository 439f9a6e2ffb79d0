import { errorText, UserError } from "../lib/errors.ts";
import { formatSize } from "../lib/size.ts";

/** Memory is allocated in pieces of this size, because arrays are limited in length. */
const PIECE_BYTES = 64 * 1024 ** 2;

/** Memory that is really allocated: the system gives a process a page only when it is written to. */
export class HeldMemory {
  #pieces: ArrayBuffer[] = [];

  /** @throws {UserError} `limit-reached`, before the machine or container runs out of memory and kills processes */
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

  /** Frees the memory immediately: a transfer does not wait for the garbage collector. */
  release(): void {
    for (const piece of this.#pieces) piece.transfer(0);
    this.#pieces = [];
  }
}

const MIB = 1024 ** 2;

function outOfMemory(bytes: number, reason: string): UserError {
  const message = `cannot hold ${formatSize(bytes)} of memory: ${reason}`;
  return new UserError("limit-reached", message, "Lower the service's memory, or use a machine with more.");
}
