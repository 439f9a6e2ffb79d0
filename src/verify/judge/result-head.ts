/** What was verified and when: what every result begins with. Times in milliseconds since 1970. */
export interface ResultHead {
  /** The topology or release that was named, in words; `null` for a URL alone. */
  readonly subject: string | null;
  readonly url: string;
  readonly backend: string;
  /** When the run began. */
  readonly startedMs: number;
  /** When the last request that was judged ended. */
  readonly endedMs: number;
  readonly judgedMs: number;
}

/** `release shop in namespace shop: incomplete, 2026-11-28 18:32 UTC`. */
export function titleOf({
  subject,
  url,
  startedMs,
  outcome,
}: ResultHead & { readonly outcome: string }): string {
  const time = new Date(startedMs).toISOString().slice(0, 16).replace("T", " ");
  return `${subject ?? url}: ${outcome.replaceAll("-", " ")}, ${time} UTC`;
}
