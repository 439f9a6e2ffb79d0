import { UserError } from "../../lib/errors.ts";
import {
  ANY_MAGIC,
  isEndMarker,
  LedgerSeal,
  parseRunHeader,
  SEALED_BYTES,
  VERSION,
} from "../../trace/ledger-file.ts";
import { RunLedger } from "./run-ledger.ts";

/** The intact records of a ledger file. */
export interface LedgerFile {
  readonly ledger: RunLedger;
  /** Why requests may be missing from the file; `null` if it has an end marker. */
  readonly cut: string | null;
}

const LINE_FEED = 0x0a;
const MAX_HEADER_BYTES = 65_536;

/**
 * Parses what `load --ledger` writes or `load --serve` serves. trace/ledger-file.ts describes the format.
 * @param name Names the ledger in messages.
 * @param first The position of the first record of `bytes` in the whole ledger.
 * @throws {UserError} `ledger-unreadable` unless each record is the one that was written there
 */
export function parseLedger(bytes: Uint8Array, name: string, first = 0): LedgerFile {
  const { line, ledger } = parseHeader(bytes, name);
  const seal = new LedgerSeal(line);
  const start = Buffer.byteLength(line) + 1;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = start; at + SEALED_BYTES <= bytes.length; at += SEALED_BYTES) {
    const index = first + ledger.size;
    if (!seal.isIntact(view, at, index))
      throw isJoined(bytes, at) ? joined(name, index) : damaged(name, index);
    if (!isEndMarker(view, at)) {
      ledger.addBytes(bytes, at);
      continue;
    }
    if (at + SEALED_BYTES < bytes.length) throw joined(name, index);
    assertDistinct(ledger, name);
    return { ledger, cut: null };
  }
  const rest = (bytes.length - start) % SEALED_BYTES;
  if (rest > 0 && isJoined(bytes, bytes.length - rest)) throw joined(name, first + ledger.size);
  assertDistinct(ledger, name);
  return { ledger, cut: describeCut(name, first + ledger.size, rest) };
}

function parseHeader(bytes: Uint8Array, name: string): { line: string; ledger: RunLedger } {
  const end = bytes.subarray(0, MAX_HEADER_BYTES).indexOf(LINE_FEED);
  const line = end < 0 ? "" : new TextDecoder().decode(bytes.subarray(0, end));
  const header = parseRunHeader(line);
  if (header !== null && Buffer.byteLength(line) === end) return { line, ledger: new RunLedger(header) };
  if (!startsWith(bytes, 0, ANY_MAGIC)) {
    const hint = "'chain-link load --ledger FILE' writes one.";
    throw new UserError("ledger-unreadable", `${name} is not the ledger of a run`, hint);
  }
  const [, version = "?"] = /^chain-link-run (\d{1,9}) /.exec(line) ?? [];
  throw version !== "?" && Number(version) < VERSION
    ? new UserError(
        "ledger-unreadable",
        `the ledger ${name} has version ${version}, which this version of chain-link does not read`,
        "Record the run again, or verify it with the version of chain-link that wrote it.",
      )
    : new UserError(
        "ledger-unreadable",
        `the ledger ${name} is damaged: its first line is not a header`,
        REPEAT,
      );
}

const REPEAT = "A ledger cannot be repaired: send the requests again with 'chain-link load --ledger FILE'.";

function damaged(name: string, index: number): UserError {
  const where = `record ${index + 1} does not match its checksum`;
  return new UserError("ledger-unreadable", `the ledger ${name} is damaged: ${where}`, REPEAT);
}

function joined(name: string, index: number): UserError {
  return new UserError(
    "ledger-unreadable",
    `the ledger ${name} contains more than one ledger: it continues after the end of the first, at record ${index + 1}`,
    "Verify each ledger on its own.",
  );
}

/** Another ledger starts within the bytes of a record. */
function isJoined(bytes: Uint8Array, at: number): boolean {
  for (let start = at; start < Math.min(bytes.length, at + SEALED_BYTES); start++)
    if (startsWith(bytes, start, ANY_MAGIC)) return true;
  return false;
}

function startsWith(bytes: Uint8Array, at: number, text: string): boolean {
  return Buffer.from(bytes.subarray(at, at + text.length)).toString("latin1") === text;
}

function assertDistinct(ledger: RunLedger, name: string): void {
  const repeated = ledger.findRepeated();
  if (repeated === null) return;
  const message = `the ledger ${name} has more than one record for request ${repeated}`;
  throw new UserError("ledger-unreadable", message, REPEAT);
}

function describeCut(name: string, records: number, rest: number): string {
  const where = rest > 0 ? `ends inside record ${records + 1}` : `has no end marker after record ${records}`;
  return `the ledger ${name} is incomplete: it ${where}, so the load was killed, is still running, or the file was cut`;
}
