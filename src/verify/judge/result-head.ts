/** The first fields of every result: what was verified and when. Times are in milliseconds since 1970. */
export interface ResultHead {
  /** The topology or release, as text; `null` for a plain URL. */
  readonly subject: string | null;
  readonly url: string;
  readonly backend: string;
  /** Start of the run. */
  readonly startedMs: number;
  /** End of the last judged request. */
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
