import {
  type LedgerRecord,
  type RunHeader,
  readTimedRecord,
  TIMED_BYTES,
  writeTimedRecord,
} from "../../trace/ledger-record.ts";

const FIRST_RECORDS = 1024;

/**
 * The ledger of a run: one record of 24 bytes per request, as the load generator wrote it. It grows during
 * the run.
 */
export class RunLedger {
  readonly header: RunHeader;
  size = 0;
  #view = new DataView(new ArrayBuffer(FIRST_RECORDS * TIMED_BYTES));

  constructor(header: RunHeader) {
    this.header = header;
  }

  add(record: LedgerRecord): void {
    this.#makeRoom(this.size + 1);
    writeTimedRecord(this.#view, this.size++ * TIMED_BYTES, record);
  }

  /** Returns the record at `index`, in the order in which requests ended. */
  record(index: number): LedgerRecord {
    if (index >= this.size) throw new RangeError(`record ${index} of ${this.size}`);
    return readTimedRecord(this.#view, index * TIMED_BYTES);
  }

  /** Returns the sequence number of the record at `index`. */
  sequence(index: number): number {
    return this.#view.getUint32(index * TIMED_BYTES, true);
  }

  /** Returns the end of a request, in milliseconds since 1970. */
  endOf(record: LedgerRecord): number {
    return this.header.startMs + record.endMs;
  }

  /** Adds all records of another ledger of this run. */
  append(other: RunLedger): void {
    this.#addBytes(new Uint8Array(other.#view.buffer, 0, other.size * TIMED_BYTES));
  }

  /** Adds the record in the {@link RECORD_BYTES} bytes at offset `at`. */
  addBytes(bytes: Uint8Array, at: number): void {
    this.#addBytes(bytes.subarray(at, at + TIMED_BYTES));
  }

  /** Returns a request with more than one record; `null` if there is none. */
  findRepeated(): number | null {
    const sequences = Uint32Array.from({ length: this.size }, (_, index) => this.sequence(index)).sort();
    const at = sequences.findIndex((sequence, index) => index > 0 && sequence === sequences[index - 1]);
    return at === -1 ? null : (sequences[at] as number);
  }

  /** Returns the requests that ended at or after `ms` (milliseconds since 1970). */
  since(ms: number): RunLedger {
    const ledger = new RunLedger(this.header);
    for (let index = 0; index < this.size; index++) {
      const record = this.record(index);
      if (this.endOf(record) >= ms) ledger.add(record);
    }
    return ledger;
  }

  #addBytes(bytes: Uint8Array): void {
    const records = bytes.length / TIMED_BYTES;
    this.#makeRoom(this.size + records);
    new Uint8Array(this.#view.buffer).set(bytes, this.size * TIMED_BYTES);
    this.size += records;
  }

  #makeRoom(records: number): void {
    const neededBytes = records * TIMED_BYTES;
    if (neededBytes <= this.#view.byteLength) return;
    const grown = new Uint8Array(Math.max(neededBytes, this.#view.byteLength * 2));
    grown.set(new Uint8Array(this.#view.buffer));
    this.#view = new DataView(grown.buffer);
  }
}
