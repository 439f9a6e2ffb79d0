import { test } from "bun:test";
import { checkContext } from "../fuzz/context-check.ts";

/** More of the same: `bun test/fuzz/http.ts`. */
const SEEDS = 5000;

test("whatever headers come in, the context read in place is the one that the plain reading gives", () => {
  for (let seed = 1; seed <= SEEDS; seed++) checkContext(seed);
});
