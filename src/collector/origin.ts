// Guards against DNS rebinding (an attacker's name that points to this machine) and against pages of other origins.

/**
 * Whether a request to the page or to control names this server and comes from its own pages. Any IP address is
 * accepted: DNS cannot make an address point elsewhere.
 * @param host what the server listens on
 */
export function isFromHere(request: Request, host: string): boolean {
  const name = nameIn(request.headers.get("host") ?? "");
  const isAddress = /^(\d+\.){3}\d+$|^\[[\da-f:.]+\]$/.test(name);
  return (isLocalName(name) || name === host || isAddress) && isOwnOrigin(request);
}

/** Whether only programs on this machine can reach a server that listens on this host. */
export function isLoopback(host: string): boolean {
  return isLocalName(host.toLowerCase()) || host === "::1";
}

/** Whether the request's `Host` names this machine. Every legitimate client of a loopback server does. */
export function namesLoopback(request: Request, host: string): boolean {
  const name = nameIn(request.headers.get("host") ?? "");
  if (name === "") return true; // HTTP/1.0 may omit it; browsers never do
  return isLocalName(name) || name === "[::1]" || name === host.toLowerCase();
}

/**
 * Whether a request does not come from another origin's page. Browsers send no `Origin` with same-origin GET requests.
 */
export function isOwnOrigin({ headers }: Request): boolean {
  const origin = headers.get("origin");
  const host = headers.get("host") ?? "";
  return origin === null || origin === `http://${host}` || origin === `https://${host}`;
}

/** RFC 6761 reserves `localhost` and all names below it for loopback. */
function isLocalName(name: string): boolean {
  return /^(.+\.)?localhost\.?$|^127(\.\d{1,3}){3}$/.test(name);
}

function nameIn(host: string): string {
  return host.replace(/:\d*$/, "").toLowerCase();
}
