import { expect, test } from "bun:test";
import { doWork } from "../../src/link/busy-work.ts";

function processorMs(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

test("work uses CPU time, and more work uses more", () => {
  doWork(1);
  // The exact time depends on the load of the machine, both now and when the work was calibrated.
  const [some, more] = [processorMs(() => doWork(200)), processorMs(() => doWork(1000))];
  expect(some).toBeGreaterThan(20);
  expect(more).toBeGreaterThan(some);
});
