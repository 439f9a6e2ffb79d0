import type { UserError } from "../lib/errors.ts";
import { ResultFile } from "../lib/result-file.ts";
import { formatRunHeader, LedgerSeal, SEALED_BYTES } from "../trace/ledger-file.ts";
import { type LedgerRecord, type RunHeader, writeTimedRecord } from "../trace/ledger-record.ts";

/** Records are written and evicted in chunks of this size. */
const CHUNK_RECORDS = 4096;
/** Maximum records kept in memory to be served: 1,048,576, or 34 MB. */
export const KEPT_RECORDS = 256 * CHUNK_RECORDS;
/** If the process is killed, the file lacks at most the records of this time. */
const FLUSH_INTERVAL_MS = 1000;

interface RunLedgerWriterOptions {
  readonly header: RunHeader;
  /** The file to write; `null` for none. */
  readonly file: string | null;
  /** Keep the latest {@link KEPT_RECORDS} in memory, to be served. */
  readonly isKept: boolean;
}

/** Writes the ledger of a run while it grows, to a file, to memory of bounded size, or both. */
export class RunLedgerWriter {
  /** Rejects when the file can no longer be written; never resolves. */
  readonly failed: Promise<never>;
  /** Number of records so far. */
  count = 0;
  readonly #options: RunLedgerWriterOptions;
  readonly #headerBytes: Buffer;
  readonly #seal: LedgerSeal;
  readonly #reject: (error: UserError) => void;
  readonly #timer: Timer | undefined;
  /** The last chunk is the one being filled. */
  readonly #chunks: { readonly bytes: Buffer; readonly view: DataView }[] = [];
  #file: ResultFile | null = null;
  /** Number of records in the file. */
  #written = 0;
  /** `null` while records may still be added. */
  #endMarker: Uint8Array | null = null;

  /** @throws {UserError} `file-unwritable` */
  constructor(options: RunLedgerWriterOptions) {
    this.#options = options;
    const header = formatRunHeader(options.header);
    this.#headerBytes = Buffer.from(header);
    this.#seal = new LedgerSeal(header);
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.#reject = reject;
    promise.catch(() => {});
    if (options.file === null) return;
    this.#file = new ResultFile(options.file);
    this.#file.write(this.#headerBytes);
    // Now instead of at the end: if the load is killed, the records so far can be verified.
    this.#file.publish();
    this.#timer = setInterval(() => this.flush(), FLUSH_INTERVAL_MS);
    this.#timer.unref();
  }

  /** The index of the oldest record in memory. */
  get firstKept(): number {
    return Math.max(0, this.count - this.#sizeInMemory());
  }

  add(record: LedgerRecord): void {
    const at = this.count % CHUNK_RECORDS;
    if (at === 0) this.#beginChunk();
    const chunk = this.#chunks.at(-1);
    if (chunk !== undefined) {
      writeTimedRecord(chunk.view, at * SEALED_BYTES, record);
      this.#seal.seal(chunk.view, at * SEALED_BYTES, this.count);
    }
    this.count++;
  }

  /** Adds the end marker: every request of the run has its record. */
  end(): void {
    if (this.#endMarker !== null) return;
    this.flush();
    this.#endMarker = this.#seal.endMarker(this.count);
    this.#append(this.#endMarker);
  }

  /** The bytes of a ledger with the header and the records from `from` on, as far as they are in memory. */
  read(from = 0): Buffer {
    const first = this.firstKept;
    const begin = Math.min(this.count, Math.max(first, from)) - first;
    const end = this.count - first;
    const parts: Buffer[] = [this.#headerBytes];
    for (const [index, { bytes }] of this.#chunks.entries()) {
      const start = Math.max(0, begin - index * CHUNK_RECORDS);
      const stop = Math.min(CHUNK_RECORDS, end - index * CHUNK_RECORDS);
      if (start < stop) parts.push(bytes.subarray(start * SEALED_BYTES, stop * SEALED_BYTES));
    }
    if (this.#endMarker !== null) parts.push(Buffer.from(this.#endMarker));
    return Buffer.concat(parts);
  }

  /** Writes the records that the file lacks. */
  flush(): void {
    if (this.#written === this.count) return;
    // Full chunks are written immediately, so only the last one can have unwritten records.
    const start = this.#written % CHUNK_RECORDS;
    const end = ((this.count - 1) % CHUNK_RECORDS) + 1;
    const chunk = this.#chunks.at(-1);
    if (chunk !== undefined) this.#append(chunk.bytes.subarray(start * SEALED_BYTES, end * SEALED_BYTES));
    this.#written = this.count;
  }

  close(): void {
    this.flush();
    clearInterval(this.#timer);
    const file = this.#file;
    this.#file = null;
    try {
      file?.finish();
    } catch (error) {
      this.#reject(error as UserError);
    }
  }

  #append(bytes: Uint8Array): void {
    try {
      this.#file?.write(bytes);
    } catch (error) {
      this.#file = null;
      this.#reject(error as UserError);
    }
  }

  #sizeInMemory(): number {
    if (this.count === 0) return 0;
    return (this.#chunks.length - 1) * CHUNK_RECORDS + ((this.count - 1) % CHUNK_RECORDS) + 1;
  }

  #beginChunk(): void {
    this.flush();
    const kept = this.#options.isKept ? KEPT_RECORDS / CHUNK_RECORDS : 1;
    const oldest = this.#chunks.length === kept ? this.#chunks.shift() : undefined;
    const bytes = oldest?.bytes ?? Buffer.alloc(CHUNK_RECORDS * SEALED_BYTES);
    this.#chunks.push(oldest ?? { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) });
  }
}
