/** Why a link refuses a request. */
export type Refusal = "starting" | "rate_limited" | "queue_full" | "queue_timeout" | "out_of_memory";

/** The message to callers. */
export const REFUSALS: Readonly<Record<Refusal, string>> = {
  rate_limited: "too many requests",
  starting: "starting",
  queue_full: "overloaded: the queue is full",
  queue_timeout: "overloaded: the request waited in the queue for too long",
  out_of_memory: "overloaded: out of memory",
};
