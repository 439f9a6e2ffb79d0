import { MAX_RESPONSE_BYTES } from "../topology/model.ts";

/** Length of `,"padding":""`. */
const PADDING_BYTES = 13;

/** The original's final message, padded to at least `bytes` bytes. */
export function renderFinalBody(name: string, bytes: number): Uint8Array {
  const content = { message: `You have reached the final chain link ${name}` };
  const text = JSON.stringify(content);
  const missing = Math.min(Math.round(bytes), MAX_RESPONSE_BYTES) - text.length - 1 - PADDING_BYTES;
  if (missing <= 0) return Buffer.from(`${text}\n`);
  const body = Buffer.alloc(text.length + PADDING_BYTES + missing + 1, "x");
  body.write(`${text.slice(0, -1)},"padding":"`, "latin1");
  body.write('"}\n', body.length - 3, "latin1");
  return body;
}
