/**
 * Feeds random messages to the readers of responses and requests and compares them with a slow plain reader:
 * `bun test/fuzz/http.ts [COUNT] [FIRST_SEED]`. A seed that fails is printed; the same seed makes the same input again.
 */
import { checkRequests, checkResponse } from "./http-check.ts";

const count = Number(process.argv[2] ?? 100_000);
const first = Number(process.argv[3] ?? 1);
const startMs = performance.now();
for (let seed = first; seed < first + count; seed++) {
  for (const check of [checkResponse, checkRequests]) {
    try {
      check(seed);
    } catch (error) {
      process.stderr.write(`${check.name} fails with seed ${seed}\n`);
      throw error;
    }
  }
}
process.stdout.write(
  `${count} responses and ${count} connections with requests, seeds ${first} to ${first + count - 1}, `,
);
process.stdout.write(`in ${((performance.now() - startMs) / 1000).toFixed(1)} s\n`);
