/**
 * A server as a user names it with a URL. Its credentials are in `headers` alone, so that `url` can be printed, logged and
 * stored anywhere. See docs/decisions/0033-base-urls-and-credentials.md.
 */
export interface Endpoint {
  /** Without user, password, fragment and a slash at the end. */
  readonly url: string;
  /** What every request carries: `Authorization`, where the URL has a user. Secret. */
  readonly headers: Readonly<Record<string, string>>;
}

const HTTP_URL = "an http or https URL such as http://localhost:9411";

/**
 * Reads an http or https URL. A user and a password become Basic authentication (RFC 7617, UTF-8).
 * @param isExact Keeps slashes at the end, for a URL that is no base URL.
 * @returns What was expected instead, when the text is no such URL.
 */
export function parseEndpoint(text: string, isExact = false): Endpoint | string {
  if (/\s/.test(text)) return `${HTTP_URL}, without blanks`;
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

/** `URL` writes a lone slash even where the user wrote none. */
function formatUrl({ origin, pathname, search }: URL, path = pathname === "/" ? "" : pathname): string {
  return origin + (path === "" && search !== "" ? "/" : path) + search;
}

function basicAuthorization({ username, password }: URL): Record<string, string> | string {
  if (username === "" && password === "") return {};
  const [user, secret] = [decodePercent(username), decodePercent(password)];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what RFC 7617 forbids.
  if (user.includes(":") || /[\x00-\x1f\x7f]/.test(user + secret))
    return "a URL whose user has no colon, and whose user and password have no control characters";
  const bytes = new TextEncoder().encode(`${user}:${secret}`);
  return { Authorization: `Basic ${btoa(String.fromCharCode(...bytes))}` };
}

/** A `%` that begins no escape stands for itself, as in browsers. */
function decodePercent(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) =>
    new TextDecoder().decode(
      Uint8Array.from(escapes.slice(1).split("%"), (digits) => Number.parseInt(digits, 16)),
    ),
  );
}

/**
 * A user's URL, or `NAME=URL`, for people: `***` stands for user and password, and for the token after `#`. Of a text that is
 * no URL everything before the last `@` may be secret.
 */
export function hideSecrets(text: string): string {
  const [, name = "", given = ""] = /^([\w.-]+=)?(.*)$/s.exec(text) ?? [];
  const isUrl = /^https?:\/\//i.test(given) && URL.canParse(given);
  const hasUser = !isUrl || new URL(given).username !== "" || new URL(given).password !== "";
  const shown = hasUser ? given.replace(/^([a-z][\w+.-]*:\/\/)?.*@/is, "$1***@") : given;
  return name + shown.replace(/#.+$/s, "#***");
}

/**
 * A text with URLs in it, for people: `***` stands for users and passwords. An `@` in a path hides what is before it, too, as a
 * password may have a slash that nobody encoded.
 */
export function hideInUrls(text: string): string {
  return text.replace(/([a-z][\w+.-]*:\/\/)[^\s"']*@/gi, "$1***@");
}

/** Paths in which the base URL of an API may already end: those of its requests, and the folder that they have in common. */
const API_PATHS = {
  zipkin: ["/api/v2/spans", "/api/v2/traces", "/api/v2"],
  otlp: ["/v1/traces"],
  /** Takes either. */
  spans: ["/api/v2/spans", "/api/v2/traces", "/api/v2", "/v1/traces"],
  jaeger: ["/api/v3/traces", "/api/v3"],
  tempo: ["/api/v2/traces", "/api/v2"],
  link: ["/forward", "/metrics"],
  load: ["/ledger"],
  page: [],
} as const;

export type Api = keyof typeof API_PATHS;

/**
 * The URL of a request to an API: the standard path after that of the base URL, unless that ends in it already. Slashes are
 * never doubled, and a query of the base URL stays.
 * @param path With its query, if it has one
 */
export function apiUrl(base: string, api: Api, path: string): string {
  const url = new URL(base);
  // A query may have question marks of its own.
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

/** `fetch` with what an endpoint's requests carry. A redirect to another origin is followed without `Authorization`. */
export function fetchAs({ headers }: Pick<Endpoint, "headers">) {
  return (url: string, init?: RequestInit): Promise<Response> =>
    fetch(url, { ...init, headers: { ...headers, ...(init?.headers as object) } });
}
