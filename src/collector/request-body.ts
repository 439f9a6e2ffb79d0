import { promisify } from "node:util";
import { gunzip, inflate, inflateRaw } from "node:zlib";
import { errorCode } from "../lib/errors.ts";
import { HttpError } from "./http-error.ts";

/** Zipkin's limit. It applies to the body on the wire and again after decompression. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024;

/**
 * Reads the whole body, decompressed. `deflate` is zlib's format; some clients send it without its header (RFC 9110,
 * 8.4.1.2).
 * @throws {HttpError} 413 over `MAX_BODY_BYTES`, 415 for an unknown encoding, 400 when the body is not in that
 * encoding.
 */
export async function readBody(request: Request): Promise<Uint8Array> {
  const encoding = request.headers.get("content-encoding")?.trim().toLowerCase() || "identity";
  const decompress = DECODERS.get(encoding);
  if (decompress === undefined) {
    throw new HttpError(415, `Expected Content-Encoding gzip, deflate or identity but found ${encoding}`);
  }
  const bytes = await readLimited(request);
  return bytes.length === 0 ? bytes : decompress(bytes);
}

type Decoder = (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>;

const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["identity", (bytes) => bytes],
  ["gzip", (bytes) => decompress(bytes, gunzip, "gzip")],
  ["x-gzip", (bytes) => decompress(bytes, gunzip, "gzip")],
  ["deflate", (bytes) => decompress(bytes, hasZlibHeader(bytes) ? inflate : inflateRaw, "deflate")],
]);

/** RFC 1950, 2.2: compression method 8, and a multiple of 31. */
function hasZlibHeader([first = 0, second = 0]: Uint8Array): boolean {
  return (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0;
}

async function readLimited(request: Request): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length")) > MAX_BODY_BYTES) throw tooLarge();
  // Bun reads no more than the declared length. Without one, bytes are counted as they arrive.
  if (request.headers.has("content-length")) return request.bytes();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
}

/** Decompresses in a thread of the runtime: 10 MiB take 30 ms. */
async function decompress(bytes: Uint8Array, method: typeof gunzip, encoding: string): Promise<Uint8Array> {
  try {
    return await promisify(method)(bytes, { maxOutputLength: MAX_BODY_BYTES });
  } catch (error) {
    if (errorCode(error) === "ERR_BUFFER_TOO_LARGE") throw tooLarge();
    throw new HttpError(400, `Expected a ${encoding} body: ${(error as Error).message}`);
  }
}

function tooLarge(): HttpError {
  return new HttpError(
    413,
    `Expected at most ${MAX_BODY_BYTES} bytes, also after inflation; send smaller batches`,
  );
}
