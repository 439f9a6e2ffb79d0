import type { WrkResult } from "./wrk.ts";

/** One turn of a chain. */
export interface Turn extends WrkResult {
  readonly hopMicros: number;
  /** Median of the links. */
  readonly memoryBytes: number;
}

/** Turns by number of connections, in the order of the rounds. */
export type Turns = ReadonlyMap<number, readonly Turn[]>;
