import { expect, test } from "bun:test";
import { doWork } from "../../src/link/busy-work.ts";

function processorMs(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

test("work takes processor time, not time alone", () => {
  doWork(1);
  // What is measured at the start is the fastest piece: on a machine that is busy it takes longer, not shorter.
  expect(processorMs(() => doWork(200))).toBeGreaterThan(100);
});

test("twice the work is twice the time", () => {
  const measure = (ms: number) =>
    Math.min(
      ...Array.from({ length: 7 }, () => {
        const startMs = performance.now();
        doWork(ms);
        return performance.now() - startMs;
      }),
    );
  const [one, four] = [measure(10), measure(40)];
  expect(four / one).toBeWithin(2, 8);
});
