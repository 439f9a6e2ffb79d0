import { isHostText } from "../http/host.ts";
import { respondError } from "./response.ts";

/**
 * Passes only well-formed requests to `respond`, because Bun's server checks less than RFC 9112 (3.2) requires: the
 * address is an absolute URL, `Host` is valid, and HEAD has become GET; the server omits the answer's body.
 */
export async function respondWellFormed(
  request: Request,
  respond: (request: Request) => Promise<Response>,
): Promise<Response> {
  // Bun joins several header lines with a comma and a space, which no host contains.
  const host = request.headers.get("host") ?? "";
  if (host !== "" && !isHostText(host)) {
    return respondError(400, "Expected one Host header with a host name and an optional port.");
  }
  const isWhole = request.url.startsWith("http://") && URL.canParse(request.url);
  // HTTP/1.0 may omit the host. A target without a leading slash is CONNECT, for proxies.
  const url = isWhole ? request.url : request.url.replace(/^(http:\/\/[^/]*)?\//, "http://localhost/");
  if (!url.startsWith("http://")) return respondError(400, "Expected a path.");
  if (isWhole && request.method !== "HEAD") return respond(request);
  const { headers, body, signal } = request;
  const method = request.method === "HEAD" ? "GET" : request.method;
  return respond(new Request(url, { method, headers, body, signal }));
}
