import { ZIPKIN_URL } from "./default-address.ts";

/**
 * A server that a user named with a URL. Only `headers` hold its credentials, so `url` can be printed, logged and stored
 * anywhere. See docs/decisions/0033-base-urls-and-credentials.md.
 */
export interface Endpoint {
  /** Without user, password, fragment and trailing slash. */
  readonly url: string;
  /** Sent with every request: `Authorization` if the URL names a user. Secret. */
  readonly headers: Readonly<Record<string, string>>;
}

const HTTP_URL = `an http or https URL such as ${ZIPKIN_URL}`;

/**
 * Parses an http or https URL. A user and a password become Basic authentication (RFC 7617, UTF-8).
 * @param isExact keeps trailing slashes, for a URL that is not a base URL
 * @returns what was expected instead, if the text is not such a URL
 */
export function parseEndpoint(text: string, isExact = false): Endpoint | string {
  if (/\s/.test(text)) return `${HTTP_URL}, without spaces`;
  if (!/^https?:\/\/[^/?#\\]/i.test(text)) return HTTP_URL;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null) return isPortOutOfRange(text) ? `${HTTP_URL}, with a port from 1 to 65535` : HTTP_URL;
  if (url.port === "0") return `${HTTP_URL}, with a port from 1 to 65535`;
  const headers = basicAuthorization(url);
  if (typeof headers === "string") return headers;
  url.username = "";
  url.password = "";
  url.hash = "";
  return { url: isExact ? formatUrl(url) : formatUrl(url, url.pathname.replace(/\/+$/, "")), headers };
}

function isPortOutOfRange(text: string): boolean {
  const port = /^[^/]*\/\/[^/?#]*:(\d+)(?:[/?#]|$)/.exec(text)?.[1];
  return port !== undefined && Number(port) > 65_535;
}

/** `URL` adds a slash to an empty path; this omits it again. */
function formatUrl({ origin, pathname, search }: URL, path = pathname === "/" ? "" : pathname): string {
  return origin + (path === "" && search !== "" ? "/" : path) + search;
}

function basicAuthorization({ username, password }: URL): Record<string, string> | string {
  if (username === "" && password === "") return {};
  const [user, secret] = [decodePercent(username), decodePercent(password)];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 7617 forbids control characters.
  if (user.includes(":") || /[\x00-\x1f\x7f]/.test(user + secret))
    return "a URL whose user has no colon, and whose user and password have no control characters";
  const bytes = new TextEncoder().encode(`${user}:${secret}`);
  return { Authorization: `Basic ${btoa(String.fromCharCode(...bytes))}` };
}

/** A `%` that does not begin an escape is literal, as in browsers. */
function decodePercent(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) =>
    new TextDecoder().decode(
      Uint8Array.from(escapes.slice(1).split("%"), (digits) => Number.parseInt(digits, 16)),
    ),
  );
}

/**
 * A user's URL, or `NAME=URL`, for people: `***` replaces user and password, and a token after `#`. If the text is not a
 * URL, everything before the last `@` may be secret.
 */
export function hideSecrets(text: string): string {
  const [, name = "", given = ""] = /^([\w.-]+=)?(.*)$/s.exec(text) ?? [];
  const isUrl = /^https?:\/\//i.test(given) && URL.canParse(given);
  const hasUser = !isUrl || new URL(given).username !== "" || new URL(given).password !== "";
  const shown = hasUser ? given.replace(/^([a-z][\w+.-]*:\/\/)?.*@/is, "$1***@") : given;
  return name + shown.replace(/#.+$/s, "#***");
}

/**
 * Text that contains URLs, for people: `***` replaces users and passwords. An `@` in a path also hides everything before
 * it, because a password may contain a slash that nobody encoded.
 */
export function hideInUrls(text: string): string {
  return text.replace(/([a-z][\w+.-]*:\/\/)[^\s"']*@/gi, "$1***@");
}

/** Paths with which an API's base URL may already end: those of its requests, and the folder that they share. */
const API_PATHS = {
  zipkin: ["/api/v2/spans", "/api/v2/traces", "/api/v2"],
  otlp: ["/v1/traces"],
  /** Either of the two. */
  spans: ["/api/v2/spans", "/api/v2/traces", "/api/v2", "/v1/traces"],
  jaeger: ["/api/v3/traces", "/api/v3"],
  tempo: ["/api/v2/traces", "/api/v2"],
  link: ["/forward", "/metrics"],
  load: ["/ledger"],
  page: [],
} as const;

export type Api = keyof typeof API_PATHS;

/**
 * The URL of a request to an API: the base URL followed by the standard path, unless the base URL already ends with it.
 * Slashes are never doubled, and the base URL keeps its query.
 * @param path includes the query, if there is one
 */
export function apiUrl(base: string, api: Api, path: string): string {
  const url = new URL(base);
  // A query may itself contain question marks.
  const [, added = "", query] = /^([^?]*)(?:\?(.*))?$/s.exec(path) ?? [];
  const pathname = collapseSlashes(url.pathname).replace(/\/$/, "");
  const end = API_PATHS[api].find((it) => pathname.endsWith(it)) ?? "";
  url.pathname = pathname.slice(0, pathname.length - end.length) + added;
  if (query !== undefined) url.search = url.search === "" ? query : `${url.search}&${query}`;
  return url.href;
}

export function collapseSlashes(path: string): string {
  return path.includes("//") ? path.replace(/\/{2,}/g, "/") : path;
}

/** A `fetch` that sends the endpoint's headers. On a redirect to another origin, `fetch` drops `Authorization`. */
export function fetchAs({ headers }: Pick<Endpoint, "headers">) {
  return (url: string, init?: RequestInit): Promise<Response> =>
    fetch(url, { ...init, headers: { ...headers, ...(init?.headers as object) } });
}
