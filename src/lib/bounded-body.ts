/** Larger answers are refused. Parsed JSON takes several times the memory of its text. */
export const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/** The answer is larger than what may be kept in memory. */
export class AnswerTooLargeError extends Error {
  override readonly name = "AnswerTooLargeError";

  constructor(maxBytes: number) {
    super(`the answer is larger than ${maxBytes / 1024 / 1024} MiB`);
  }
}

/**
 * Reads the whole body of an answer, decompressed.
 * @throws {AnswerTooLargeError} as soon as the body exceeds `maxBytes`; the rest is not received
 */
export async function readBody(
  response: Response,
  maxBytes = MAX_ANSWER_BYTES,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop cancels the stream.
  for await (const chunk of checkDeclared(response, maxBytes)) {
    size += chunk.length;
    if (size > maxBytes) throw new AnswerTooLargeError(maxBytes);
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Like {@link readBody}, decoded as UTF-8. */
export async function readBodyText(response: Response, maxBytes = MAX_ANSWER_BYTES): Promise<string> {
  return new TextDecoder().decode(await readBody(response, maxBytes));
}

async function* checkDeclared({ headers, body }: Response, maxBytes: number): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  if (Number(headers.get("content-length")) > maxBytes) {
    await body.cancel();
    throw new AnswerTooLargeError(maxBytes);
  }
  yield* body;
}
