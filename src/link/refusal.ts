/** Why a link turns a request away. */
export type Refusal = "starting" | "rate_limited" | "queue_full" | "queue_timeout" | "out_of_memory";

/** What callers read of it. */
export const REFUSALS: Readonly<Record<Refusal, string>> = {
  rate_limited: "too many requests",
  starting: "starting",
  queue_full: "overloaded: the line is full",
  queue_timeout: "overloaded: the wait in line was too long",
  out_of_memory: "overloaded: there is no memory",
};
