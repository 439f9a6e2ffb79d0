import type { VerifyResult } from "../../contract/verify-result.ts";

/** Returns the missing spans of every second from the first to the last, including seconds without requests. */
export function missingBySecond(seconds: VerifyResult["seconds"]): number[] {
  const [first] = seconds;
  const last = seconds.at(-1);
  if (first === undefined || last === undefined) return [];
  // A run of days is grouped later anyway.
  const count = Math.min(1_000_000, (last.time - first.time) / 1000 + 1);
  const values = new Array<number>(count).fill(0);
  for (const { time, missing } of seconds) values[(time - first.time) / 1000] = missing;
  return values;
}
