/** Timers here fire up to this late, and never early: what is shorter is waited for without them. */
const TIMER_SLACK_MS = 1.2;

/**
 * Waits for a part of a millisecond exactly, or for any longer time: a timer for most of it, then turns of the event
 * loop, in which other requests are served. The turns cost processor time, at most {@link TIMER_SLACK_MS} of it.
 */
export async function waitFor(ms: number): Promise<void> {
  const end = performance.now() + ms;
  const timerMs = Math.floor(ms - TIMER_SLACK_MS);
  if (timerMs >= 1) await Bun.sleep(timerMs);
  while (performance.now() < end) await nextTurn();
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
