// https://www.rfc-editor.org/rfc/rfc1952 (gzip), https://encoding.spec.whatwg.org/#bom-sniff
import { Gunzip } from "fflate";
import { crc32 } from "../../lib/crc32.ts";
import { TraceFileError } from "./trace-file.ts";

/** Larger files are not trace files that a person opens. Smaller than the largest array of any browser. */
const MAX_UNPACKED_BYTES = 1024 ** 3;

/** Each member of a gzip file ends with the CRC32 and the size of its content. */
const TRAILER_BYTES = 8;

/** A piece of a gzip file expands to at most 66 MB. */
const PIECE_BYTES = 64 * 1024;

/**
 * The content of a file as UTF-8 without a byte order mark: unpacks gzip with one or several members, and recodes UTF-16.
 * @throws {TraceFileError}
 */
export function readFileBytes(file: Uint8Array, maxBytes = MAX_UNPACKED_BYTES): Uint8Array {
  const bytes = file[0] === 0x1f && file[1] === 0x8b ? gunzip(file, maxBytes) : file;
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return bytes.subarray(3);
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return recode(bytes, "utf-16le");
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return recode(bytes, "utf-16be");
  return bytes;
}

function recode(bytes: Uint8Array, encoding: "utf-16le" | "utf-16be"): Uint8Array {
  return new TextEncoder().encode(new TextDecoder(encoding as "utf-16le").decode(bytes));
}

/** Not with `DecompressionStream`: browsers refuse a second member, which `cat a.gz b.gz` and log rotation write. */
function gunzip(file: Uint8Array, maxBytes: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let size = 0;
  // CRC of the current member.
  let sum = 0;
  let memberSize = 0;
  const stream = new Gunzip((piece) => {
    size += piece.length;
    memberSize += piece.length;
    sum = crc32(piece, sum);
    if (size > maxBytes) throw new TraceFileError(`a gzip file of more than ${maxBytes} bytes when unpacked`);
    pieces.push(piece);
  });
  // fflate does not verify the trailer, so a truncated or altered file would be read as if it were intact.
  const checkMember = (end: number) => {
    const trailer = new DataView(file.buffer, file.byteOffset + end - TRAILER_BYTES, TRAILER_BYTES);
    if (trailer.getUint32(0, true) !== sum || trailer.getUint32(4, true) !== memberSize % 2 ** 32)
      throw new TraceFileError("a damaged gzip file (its checksum is wrong)");
    sum = 0;
    memberSize = 0;
  };
  stream.onmember = checkMember;
  try {
    for (let at = 0; at < file.length; at += PIECE_BYTES)
      stream.push(file.subarray(at, at + PIECE_BYTES), at + PIECE_BYTES >= file.length);
    checkMember(file.length);
  } catch (error) {
    if (error instanceof TraceFileError) throw error;
    throw new TraceFileError(`a damaged gzip file (${(error as Error).message})`, { cause: error });
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
