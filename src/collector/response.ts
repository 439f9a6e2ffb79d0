/** Zipkin's minimum size for gzip, in bytes. Below it, the header costs more than it saves. */
const MIN_GZIP_BYTES = 2048;

/** Level 1: a page of large traces is some MB of JSON, and the collector shares its processor with the chain. */
const GZIP_LEVEL = 1;

export function respondJson(request: Request, value: unknown): Response {
  return respondText(request, JSON.stringify(value), { "Content-Type": "application/json" });
}

/** Answers 200 with the text, gzipped if it is over 2 KiB and the client accepts gzip. */
export function respondText(request: Request, text: string, headers: Record<string, string>): Response {
  return respondStatic(request, new StaticText(text, GZIP_LEVEL), headers);
}

/** A text that is compressed on first use and also kept compressed. */
export class StaticText {
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly #level: 1 | 6;
  #gzipped: Uint8Array<ArrayBuffer> | undefined;

  constructor(text: string, level: 1 | 6) {
    this.plain = Buffer.from(text);
    this.#level = level;
  }

  get gzipped(): Uint8Array<ArrayBuffer> {
    this.#gzipped ??= Bun.gzipSync(this.plain, { level: this.#level });
    return this.#gzipped;
  }
}

/** Like {@link respondText}, for a text that many requests ask for. */
export function respondStatic(request: Request, text: StaticText, headers: Record<string, string>): Response {
  const varying = { ...headers, Vary: "Accept-Encoding" };
  if (text.plain.length <= MIN_GZIP_BYTES || !acceptsGzip(request))
    return new Response(text.plain, { headers: varying });
  return new Response(text.gzipped, { headers: { ...varying, "Content-Encoding": "gzip" } });
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
