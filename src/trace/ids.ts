/** Random bytes drawn from the system at a time; one draw serves many ids. */
const POOL_BYTES = 4096;
const pool = new Uint8Array(POOL_BYTES);
let used = POOL_BYTES;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** A new trace id: 32 lower-case hex digits, never all zero. */
export function newTraceId(): string {
  return randomHex(16);
}

/** A new span id: 16 lower-case hex digits, never all zero. */
export function newSpanId(): string {
  return randomHex(8);
}

function randomHex(bytes: number): string {
  if (used + bytes > POOL_BYTES) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  let text = "";
  let sum = 0;
  for (let end = used + bytes; used < end; used++) {
    const byte = pool[used] ?? 0;
    sum |= byte;
    text += HEX[byte];
  }
  return sum === 0 ? randomHex(bytes) : text;
}
