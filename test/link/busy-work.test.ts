import { expect, test } from "bun:test";
import { doWork } from "../../src/link/busy-work.ts";

function processorMs(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

test("work takes CPU time, and more work takes more of it", () => {
  doWork(1);
  // How much, depends on what the machine did when it was measured, and does now.
  const [some, more] = [processorMs(() => doWork(200)), processorMs(() => doWork(1000))];
  expect(some).toBeGreaterThan(20);
  expect(more).toBeGreaterThan(some);
});
