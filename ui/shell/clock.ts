let aheadMs = 0;

/** Learns the server's clock from the `Date` header of a response, because the browser's clock may differ. */
export function noteServerDate(response: Response): void {
  const date = Date.parse(response.headers.get("date") ?? "");
  if (!Number.isNaN(date)) aheadMs = date - Date.now();
}

/** The time by the server's clock in milliseconds since 1970, accurate to one second. */
export function serverNowMs(): number {
  return Date.now() + aheadMs;
}
