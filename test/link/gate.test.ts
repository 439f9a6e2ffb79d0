import { expect, test } from "bun:test";
import fc from "fast-check";
import { Gate } from "../../src/link/gate.ts";

test("requests are admitted in order of arrival", async () => {
  const gate = new Gate({ limit: 1, queue: 10, waitMs: null });
  expect(gate.enter()).toBe("admitted");
  const order: number[] = [];
  const waiting = [1, 2, 3].map((number) => Promise.resolve(gate.enter()).then(() => order.push(number)));
  for (const one of waiting) {
    gate.leave();
    await one;
  }
  expect(order).toEqual([1, 2, 3]);
});

test("a request that gave up is not admitted later", async () => {
  const gate = new Gate({ limit: 1, queue: 10, waitMs: 5 });
  gate.enter();
  expect(await gate.enter()).toBe("queue_timeout");
  expect(gate.waiting).toBe(0);
  gate.leave();
  expect(gate.enter()).toBe("admitted");
});

test("admitted and queued requests never exceed their limits, and no request is forgotten", async () => {
  const step = fc.constantFrom("enter" as const, "leave" as const);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.nat({ max: 4 }),
      fc.array(step, { maxLength: 60 }),
      async (limit, queue, steps) => {
        const gate = new Gate({ limit, queue, waitMs: null });
        let inside = 0;
        let line = 0;
        for (const action of steps) {
          if (action === "enter") {
            const given = gate.enter();
            if (inside < limit) {
              expect(given).toBe("admitted");
              inside++;
            } else if (line < queue) {
              expect(given).toBeInstanceOf(Promise);
              line++;
            } else expect(given).toBe("queue_full");
          } else if (inside > 0) {
            gate.leave();
            if (line > 0) line--;
            else inside--;
          }
          expect(gate.waiting).toBe(line);
        }
      },
    ),
  );
});
