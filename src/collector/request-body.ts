import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { errorCode } from "../lib/errors.ts";
import { HttpError } from "./http-error.ts";

/** Zipkin's cap. Here it holds on the wire and again after inflation. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024;

/**
 * The whole body, inflated.
 * @throws {HttpError} 413 over `MAX_BODY_BYTES`, 415 for an encoding other than gzip, 400 when it is not gzip.
 */
export async function readBody(request: Request): Promise<Uint8Array> {
  const encoding = request.headers.get("content-encoding")?.trim().toLowerCase() || "identity";
  const isGzip = encoding === "gzip" || encoding === "x-gzip";
  if (!isGzip && encoding !== "identity") {
    throw new HttpError(415, `Expected Content-Encoding gzip or none but found ${encoding}`);
  }
  const bytes = await readLimited(request);
  return isGzip && bytes.length > 0 ? inflate(bytes) : bytes;
}

async function readLimited(request: Request): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length")) > MAX_BODY_BYTES) throw tooLarge();
  // No more than declared comes in. Without a declared length it is counted on the way.
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

/** In a thread of the runtime: 10 MiB take 30 ms. */
async function inflate(bytes: Uint8Array): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: MAX_BODY_BYTES });
  } catch (error) {
    if (errorCode(error) === "ERR_BUFFER_TOO_LARGE") throw tooLarge();
    throw new HttpError(400, `Expected a gzip body: ${(error as Error).message}`);
  }
}

function tooLarge(): HttpError {
  return new HttpError(
    413,
    `Expected at most ${MAX_BODY_BYTES} bytes, also after inflation; send smaller batches`,
  );
}
