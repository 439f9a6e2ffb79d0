import { textFlag } from "./flags.ts";

export const SEED_FLAG = textFlag(null, {
  summary: "Draw the same latencies, errors and choices in each run with this seed.",
});
