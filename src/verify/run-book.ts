import { UserError } from "../lib/errors.ts";
import {
  parseRunHeader,
  RECORD_BYTES,
  type RunHeader,
  type RunRecord,
  readRunRecord,
  writeRunRecord,
} from "../trace/run-ledger.ts";

const FIRST_RECORDS = 1024;
const LINE_FEED = 0x0a;

/** The accounts of a run's requests: 24 bytes each, as the load generator wrote them; grows while the run lasts. */
export class RunBook {
  readonly header: RunHeader;
  size = 0;
  #view = new DataView(new ArrayBuffer(FIRST_RECORDS * RECORD_BYTES));

  constructor(header: RunHeader) {
    this.header = header;
  }

  add(record: RunRecord): void {
    if ((this.size + 1) * RECORD_BYTES > this.#view.byteLength) {
      const grown = new Uint8Array(this.#view.byteLength * 2);
      grown.set(new Uint8Array(this.#view.buffer));
      this.#view = new DataView(grown.buffer);
    }
    writeRunRecord(this.#view, this.size++ * RECORD_BYTES, record);
  }

  /** The record at `index`, in the order in which requests ended. */
  record(index: number): RunRecord {
    if (index >= this.size) throw new RangeError(`record ${index} of ${this.size}`);
    return readRunRecord(this.#view, index * RECORD_BYTES);
  }

  /** The sequence number of the record at `index`. */
  sequence(index: number): number {
    return this.#view.getUint32(index * RECORD_BYTES, true);
  }

  /** Milliseconds since 1970 at which a request ended. */
  endOf(record: RunRecord): number {
    return this.header.startMs + record.endMs;
  }

  /**
   * Of the bytes that `load --ledger` writes or `--serve` serves.
   * @throws {UserError} `ledger-unreadable`
   */
  static parse(bytes: Uint8Array, name: string): RunBook {
    const end = bytes.subarray(0, 4096).indexOf(LINE_FEED);
    const header = end < 0 ? null : parseRunHeader(new TextDecoder().decode(bytes.subarray(0, end)));
    if (header === null) {
      throw new UserError(
        "ledger-unreadable",
        `${name} is not the ledger of a run`,
        "'chain-link load --ledger FILE' writes one.",
      );
    }
    const book = new RunBook(header);
    // A last record that is not whole: the writer was stopped in the middle of it.
    book.size = Math.floor((bytes.length - end - 1) / RECORD_BYTES);
    const records = Uint8Array.from(bytes.subarray(end + 1, end + 1 + book.size * RECORD_BYTES));
    book.#view = new DataView(records.buffer);
    return book;
  }
}
