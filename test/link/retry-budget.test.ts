import { expect, test } from "bun:test";
import fc from "fast-check";
import { RetryBudget, RetryWindow } from "../../src/link/retry-budget.ts";

test("the number of retries is at most a share of the requests", () => {
  const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 0 }, new RetryWindow());
  let retries = 0;
  for (let call = 0; call < 1000; call++) {
    budget.countRequest(5000 + call);
    if (budget.spend(5000 + call)) retries++;
  }
  expect(retries).toBe(200);
});

test("the minimum per second is always allowed", () => {
  const budget = new RetryBudget({ ratio: 0, minPerSecond: 3 }, new RetryWindow());
  const spent = [0, 1, 2, 3, 999, 1000, 1001, 1002, 1003].map((ms) => budget.spend(ms));
  expect(spent).toEqual([true, true, true, false, false, true, true, true, false]);
});

test("requests older than ten seconds do not count", () => {
  const budget = new RetryBudget({ ratio: 1, minPerSecond: 0 }, new RetryWindow());
  budget.countRequest(0);
  expect(budget.spend(9999)).toBe(true);
  budget.countRequest(20_000);
  expect([budget.spend(29_999), budget.spend(29_999)]).toEqual([true, false]);
  expect(budget.spend(3_600_000)).toBe(false);
});

test("calls with different limits share the counts", () => {
  const window = new RetryWindow();
  const [narrow, wide] = [0.1, 0.2].map((ratio) => new RetryBudget({ ratio, minPerSecond: 0 }, window));
  for (let i = 0; i < 50; i++) narrow?.countRequest(0);
  for (let i = 0; i < 50; i++) wide?.countRequest(0);
  const spendAll = (budget: RetryBudget | undefined) => {
    let spent = 0;
    while (budget?.spend(0)) spent++;
    return spent;
  };
  expect([spendAll(narrow), spendAll(wide), spendAll(narrow)]).toEqual([10, 10, 0]);
});

test("a retry budget agrees with a list of all events", () => {
  const event = fc.record({ isCall: fc.boolean(), afterMs: fc.nat({ max: 3000 }) });
  const options = fc.record({ ratio: fc.constantFrom(0, 0.1, 0.5, 1), minPerSecond: fc.nat({ max: 3 }) });
  fc.assert(
    fc.property(options, fc.array(event, { maxLength: 200 }), (given, events) => {
      const budget = new RetryBudget(given, new RetryWindow());
      const calls: number[] = [];
      const retries: number[] = [];
      let nowMs = 1e6;
      for (const { isCall, afterMs } of events) {
        nowMs += afterMs;
        const second = Math.floor(nowMs / 1000);
        const inWindow = (list: number[]) => list.filter((at) => at > second - 10).length;
        if (isCall) {
          budget.countRequest(nowMs);
          calls.push(second);
          continue;
        }
        const isFree = retries.filter((at) => at === second).length < given.minPerSecond;
        const isAllowed = isFree || inWindow(retries) + 1 <= given.ratio * inWindow(calls);
        expect(budget.spend(nowMs)).toBe(isAllowed);
        if (isAllowed) retries.push(second);
      }
    }),
    { numRuns: 300 },
  );
});
