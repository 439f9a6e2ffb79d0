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
