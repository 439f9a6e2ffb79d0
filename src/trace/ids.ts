/** Random bytes to fetch from the system at once; one fetch serves many ids. */
const POOL_BYTES = 4096;
const pool = new Uint32Array(POOL_BYTES / 4);
let used = pool.length;

/** 32 random bits, unsigned. */
export function randomWord(): number {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  return pool[used++] as number;
}

/** A new trace id: 32 lower-case hex digits, never all zero. */
export function newTraceId(): string {
  return randomHex(4);
}

/** A new span id: 16 lower-case hex digits, never all zero. */
export function newSpanId(): string {
  return randomHex(2);
}

function randomHex(words: number): string {
  let text = "";
  let sum = 0;
  for (let i = 0; i < words; i++) {
    const word = randomWord();
    sum |= word;
    text += word.toString(16).padStart(8, "0");
  }
  return sum === 0 ? randomHex(words) : text;
}
