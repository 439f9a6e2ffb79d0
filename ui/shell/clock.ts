let aheadMs = 0;

/** Learns the server's clock, which the browser's may differ from, from the `Date` of an answer. */
export function noteServerDate(response: Response): void {
  const date = Date.parse(response.headers.get("date") ?? "");
  if (!Number.isNaN(date)) aheadMs = date - Date.now();
}

/** The time by the server's clock, milliseconds since 1970, to the second. */
export function serverNowMs(): number {
  return Date.now() + aheadMs;
}
