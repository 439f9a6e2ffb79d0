/**
 * A name that an attacker lets point to this machine (DNS rebinding) is not ours, nor is a page of another origin.
 * Addresses are: nobody can let an address point elsewhere.
 * @param host what the server listens on
 */
export function isFromHere(request: Request, host: string): boolean {
  const given = request.headers.get("host") ?? "";
  const name = given.replace(/:\d+$/, "").toLowerCase();
  const isOurs = name === "localhost" || name === host || /^(\d+\.){3}\d+$|^\[[\da-f:.]+\]$/.test(name);
  const origin = request.headers.get("origin");
  return isOurs && (origin === null || origin === `http://${given}` || origin === `https://${given}`);
}
