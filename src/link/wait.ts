/** Timers here fire up to this late, and never early: what is shorter is waited for without them. */
const TIMER_SLACK_MS = 1.2;

/** Longer timers fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

interface Waiter {
  readonly endMs: number;
  readonly resolve: () => void;
}

/** Those whose time is over within {@link TIMER_SLACK_MS}. */
let waiters: Waiter[] = [];

/**
 * Waits for a part of a millisecond exactly, or for any longer time: a timer for most of it, then turns of the event
 * loop, in which other requests are served. Never shorter; longer by what the turn takes in which it ends. The turns
 * cost processor time, at most {@link TIMER_SLACK_MS} of it, and all who wait share them.
 */
export async function waitFor(ms: number): Promise<void> {
  if (ms <= 0) return;
  const endMs = performance.now() + ms;
  for (;;) {
    const timerMs = Math.floor(endMs - performance.now() - TIMER_SLACK_MS);
    if (timerMs < 1) break;
    await Bun.sleep(Math.min(timerMs, MAX_TIMER_MS));
  }
  if (performance.now() >= endMs) return;
  await new Promise<void>((resolve) => {
    if (waiters.push({ endMs, resolve }) === 1) setImmediate(takeTurn);
  });
}

function takeTurn(): void {
  const nowMs = performance.now();
  const due = waiters.filter(({ endMs }) => endMs <= nowMs);
  if (due.length > 0) {
    waiters = waiters.filter(({ endMs }) => endMs > nowMs);
    for (const { resolve } of due) resolve();
  }
  if (waiters.length > 0) setImmediate(takeTurn);
}
