import { expect, test } from "bun:test";
import { MACHINE_CLOCK, WallClock } from "../../src/link/wall-clock.ts";

function fakeClocks() {
  const state = { wallMs: 1_700_000_000_000, steadyMs: 50, pauseMs: 0 };
  const clock = new WallClock({
    wallMs: () => Math.floor(state.wallMs),
    steadyMs: () => {
      const reading = state.steadyMs;
      state.steadyMs += state.pauseMs;
      return reading;
    },
    originMs: state.wallMs - state.steadyMs,
  });
  const pass = (ms: number, setByMs = 0) => {
    state.steadyMs += ms;
    state.wallMs += ms + setByMs;
    return clock.toMicros(state.steadyMs);
  };
  return { state, clock, pass };
}

test("the wall clock has the microseconds of the monotonic clock", () => {
  const { pass } = fakeClocks();
  expect(pass(0)).toBe(1_700_000_000_000_000);
  expect(pass(0.25)).toBe(1_700_000_000_000_250);
  expect(pass(1500.001)).toBe(1_700_000_001_500_251);
});

test("the wall clock follows a clock that was set, forward and back, within a second", () => {
  const { pass, state } = fakeClocks();
  pass(0);
  pass(10, 3_600_000);
  expect(Math.abs(pass(1001) / 1000 - state.wallMs)).toBeLessThanOrEqual(0.5);
  pass(10, -7_200_000);
  expect(Math.abs(pass(1001) / 1000 - state.wallMs)).toBeLessThanOrEqual(0.5);
});

test("the wall clock does not follow jitter", () => {
  const { pass, clock } = fakeClocks();
  const before = pass(0);
  expect(pass(1100, 4) - before).toBe(1_100_000);
  expect(clock.toMicros(2000) - clock.toMicros(1999)).toBe(1000);
});

test("a reading is ignored if the process was interrupted during it", () => {
  const { pass, state } = fakeClocks();
  pass(0);
  state.pauseMs = 30;
  const before = pass(1100, 1000);
  expect(before).toBe(1_700_000_001_100_000);
});

test("the wall clock of the machine agrees with Date.now", () => {
  const beforeMs = Date.now();
  const nowMs = MACHINE_CLOCK.toMicros(performance.now()) / 1000;
  expect(nowMs).toBeWithin(beforeMs - 50, Date.now() + 50);
});
