/** What Zipkin gzips from; below, the header costs more than it saves. */
const MIN_GZIP_BYTES = 2048;

/** Level 1: a page of large traces is some MB of JSON, and the collector shares its processor with the chain. */
const GZIP_LEVEL = 1;

export function respondJson(request: Request, value: unknown): Response {
  return respondText(request, JSON.stringify(value), { "Content-Type": "application/json" });
}

/** 200 with the text, gzipped when it is over 2 KiB and the client accepts that. */
export function respondText(
  request: Request,
  text: string,
  headers: Record<string, string>,
  level: 1 | 6 = GZIP_LEVEL,
): Response {
  const bytes = Buffer.from(text);
  const varying = { ...headers, Vary: "Accept-Encoding" };
  if (bytes.length <= MIN_GZIP_BYTES || !acceptsGzip(request))
    return new Response(bytes, { headers: varying });
  return new Response(Bun.gzipSync(bytes, { level }), {
    headers: { ...varying, "Content-Encoding": "gzip" },
  });
}

export function respondError(status: number, message: string): Response {
  return new Response(message, {
    status,
    headers: { "Content-Type": "text/plain; charset=utf-8" },
  });
}

/** RFC 9110, section 12.5.3, as far as gzip is concerned. */
function acceptsGzip(request: Request): boolean {
  return (request.headers.get("accept-encoding") ?? "").split(",").some((item) => {
    const [coding, weight] = item.toLowerCase().split(";");
    return coding?.trim() === "gzip" && !/^\s*q=0(\.0*)?\s*$/.test(weight ?? "");
  });
}
