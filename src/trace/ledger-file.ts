import { RECORD_BYTES, type RunHeader, TIMED_BYTES, writeTimedRecord } from "./ledger-record.ts";
import { finish, mix } from "./murmur.ts";

/**
 * The ledger of a run in a file, or as a load generator serves it. Any damage to it can be detected:
 *
 *     chain-link-run 3 {"run":"9f86d081884c7d65","startMs":1764000000000,"url":"http://…"}\n
 *     record 0    28 bytes (ledger-record.ts), checksum
 *     record 1    28 bytes, checksum
 *     …
 *     end marker  a record with flag 8, whose sequence number is the number of records before it, checksum
 *
 * The checksum (4 bytes, little-endian) is MurmurHash3 x86_32 over the seven words of the record, seeded with a hash of the
 * header line and the position of the record. It does not match if a bit is changed, a record is missing, moved or
 * repeated, or the record is from another ledger. A ledger without its end marker is truncated or still being written.
 */
export const SEALED_BYTES = TIMED_BYTES + 4;
/** Version 1 had no checksums, version 2 no latencies. */
export const VERSION = 3;
const MAGIC = `chain-link-run ${VERSION} `;
/** Every version of the ledger begins with this. */
export const ANY_MAGIC = "chain-link-run ";
const IS_END = 8;

export function formatRunHeader(header: RunHeader): string {
  return `${MAGIC}${JSON.stringify(header)}\n`;
}

/** Parses a header line without its line feed; `null` if it is not one. */
export function parseRunHeader(line: string): RunHeader | null {
  if (!line.startsWith(MAGIC)) return null;
  try {
    const { run, startMs, url } = JSON.parse(line.slice(MAGIC.length)) as Partial<RunHeader>;
    if (typeof run !== "string" || typeof startMs !== "number" || typeof url !== "string") return null;
    return { run, startMs, url };
  } catch {
    return null;
  }
}

/** Writes and verifies the checksums of one ledger. */
export class LedgerSeal {
  readonly #key: number;

  /** @param line the header line, with or without its line feed */
  constructor(line: string) {
    this.#key = hashText(line.trimEnd());
  }

  /** Seals the record at offset `at`, which is record number `index` (from 0). */
  seal(view: DataView, at: number, index: number): void {
    view.setUint32(at + TIMED_BYTES, this.#checksum(view, at, index), true);
  }

  isIntact(view: DataView, at: number, index: number): boolean {
    return view.getUint32(at + TIMED_BYTES, true) === this.#checksum(view, at, index);
  }

  /** The sealed end marker of a ledger with this many records. */
  endMarker(records: number): Uint8Array {
    const bytes = new Uint8Array(SEALED_BYTES);
    const view = new DataView(bytes.buffer);
    const nothing = { endMs: 0, status: 0, ledger: null, isSampled: false, isBroken: false };
    writeTimedRecord(view, 0, { sequence: records, ...nothing });
    view.setUint8(RECORD_BYTES - 1, IS_END);
    this.seal(view, 0, records);
    return bytes;
  }

  #checksum(view: DataView, at: number, index: number): number {
    let state = mix(this.#key, index);
    for (let offset = 0; offset < TIMED_BYTES; offset += 4)
      state = mix(state, view.getUint32(at + offset, true));
    return finish(state);
  }
}

export function isEndMarker(view: DataView, at: number): boolean {
  return (view.getUint8(at + RECORD_BYTES - 1) & IS_END) !== 0;
}

function hashText(text: string): number {
  let state = text.length;
  for (let index = 0; index < text.length; index++) state = mix(state, text.charCodeAt(index));
  return finish(state);
}
