import { expect, test } from "bun:test";
import { Pause } from "../../src/collector/pause.ts";

const WORKS = 8;
const PIECE_MS = 4;
const PIECES = 5;

test("jobs that start in one turn of the event loop share one time slice", async () => {
  let pieces = 0;
  const work = async () => {
    const pause = new Pause();
    for (let piece = 0; piece < PIECES; piece++) {
      const startMs = performance.now();
      while (performance.now() - startMs < PIECE_MS);
      pieces++;
      await pause.turn();
    }
  };
  const all = Promise.all(Array.from({ length: WORKS }, work));
  const { promise: nextTurn, resolve } = Promise.withResolvers<number>();
  setImmediate(() => resolve(pieces));
  // Three pieces fill the slice, and every other job does one piece before it waits. The first job may already have got
  // a slice of its own. Without sharing, each job would do three pieces.
  expect(await nextTurn).toBeLessThanOrEqual(3 + (WORKS - 1) + 3);
  await all;
  expect(pieces).toBe(WORKS * PIECES);
});
