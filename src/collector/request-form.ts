import { isHostText } from "../http/host.ts";
import { respondError } from "./response.ts";

/**
 * Gives `respond` only requests that it can rely on, as the runtime's server checks less than RFC 9112 (3.2) asks for: the
 * address is a whole URL, `Host` is valid, and HEAD has become GET, whose body the server leaves out of the answer.
 */
export async function respondWellFormed(
  request: Request,
  respond: (request: Request) => Promise<Response>,
): Promise<Response> {
  // Several lines come joined by a comma and a space, which no host has.
  const host = request.headers.get("host") ?? "";
  if (host !== "" && !isHostText(host)) {
    return respondError(400, "Expected one Host header with a host name and an optional port.");
  }
  const isWhole = request.url.startsWith("http://") && URL.canParse(request.url);
  // HTTP/1.0 may come without a host. What does not begin with a slash is CONNECT, for proxies.
  const url = isWhole ? request.url : request.url.replace(/^(http:\/\/[^/]*)?\//, "http://localhost/");
  if (!url.startsWith("http://")) return respondError(400, "Expected a path.");
  if (isWhole && request.method !== "HEAD") return respond(request);
  const { headers, body, signal } = request;
  const method = request.method === "HEAD" ? "GET" : request.method;
  return respond(new Request(url, { method, headers, body, signal }));
}
