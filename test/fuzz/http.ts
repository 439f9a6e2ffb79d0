/**
 * Feeds random messages to the readers of responses, requests and trace context, and compares them with slow,
 * plain implementations: `bun test/fuzz/http.ts [COUNT] [FIRST_SEED]`. It prints a seed that fails; the same
 * seed produces the same input again.
 */
import { checkContext } from "./context-check.ts";
import { checkRequests, checkResponse } from "./http-check.ts";

const count = Number(process.argv[2] ?? 100_000);
const first = Number(process.argv[3] ?? 1);
const startMs = performance.now();
for (let seed = first; seed < first + count; seed++) {
  for (const check of [checkResponse, checkRequests, checkContext]) {
    try {
      check(seed);
    } catch (error) {
      process.stderr.write(`${check.name} fails with seed ${seed}\n`);
      throw error;
    }
  }
}
process.stdout.write(
  `${count} responses, connections with requests, and contexts each, seeds ${first} to ${first + count - 1}, `,
);
process.stdout.write(`in ${((performance.now() - startMs) / 1000).toFixed(1)} s\n`);
