// Names that an attacker lets point to this machine (DNS rebinding), and pages of other origins.

/**
 * Whether a request to a page or control names this server and comes from its own pages. Addresses are taken, whichever they are:
 * nobody can let an address point elsewhere.
 * @param host what the server listens on
 */
export function isFromHere(request: Request, host: string): boolean {
  const name = nameIn(request.headers.get("host") ?? "");
  const isAddress = /^(\d+\.){3}\d+$|^\[[\da-f:.]+\]$/.test(name);
  return (isLocalName(name) || name === host || isAddress) && isOwnOrigin(request);
}

/** Whether only programs of this machine reach a server that listens on this host. */
export function isLoopback(host: string): boolean {
  return isLocalName(host.toLowerCase()) || host === "::1";
}

/** Whether a request names this machine, as everybody does who reaches a server on loopback without a trick. */
export function namesLoopback(request: Request, host: string): boolean {
  const name = nameIn(request.headers.get("host") ?? "");
  if (name === "") return true; // HTTP/1.0 may have none, and no browser leaves it out
  return isLocalName(name) || name === "[::1]" || name === host.toLowerCase();
}

/** Whether a request is none of another origin's page. A browser sends no origin with what a page gets from its own. */
export function isOwnOrigin({ headers }: Request): boolean {
  const origin = headers.get("origin");
  const host = headers.get("host") ?? "";
  return origin === null || origin === `http://${host}` || origin === `https://${host}`;
}

/** RFC 6761 keeps `localhost` and all names below it for loopback. */
function isLocalName(name: string): boolean {
  return /^(.+\.)?localhost\.?$|^127(\.\d{1,3}){3}$/.test(name);
}

function nameIn(host: string): string {
  return host.replace(/:\d*$/, "").toLowerCase();
}
