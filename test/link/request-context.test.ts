import { test } from "bun:test";
import { checkContext } from "../fuzz/context-check.ts";

/** `bun test/fuzz/http.ts` runs the same check for longer. */
const SEEDS = 5000;

test("the context read in place equals that of the plain parser, whatever the headers", () => {
  for (let seed = 1; seed <= SEEDS; seed++) checkContext(seed);
});
