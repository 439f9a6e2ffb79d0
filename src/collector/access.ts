import { HttpError } from "./http-error.ts";
import { isLoopback, isOwnOrigin, namesLoopback } from "./origin.ts";

/** Origins whose pages may read and write: all, or those listed. */
export type AllowedOrigins = "*" | readonly string[];

/** No other origin by default. Zipkin's default is `*`. */
export const DEFAULT_ORIGINS: AllowedOrigins = [];

/**
 * Paths with a secret or that change what runs. Only the collector's own page may use them, whatever `--cors` allows.
 */
const PRIVATE_PATH = /^\/api\/(control|topology)(\/|$)/;

/** Decides which pages in browsers may use the collector. See decision 0037. */
export class Access {
  readonly #host: string;
  readonly #origins: AllowedOrigins;
  readonly #isLoopback: boolean;

  /** @param host what the collector listens on */
  constructor(host: string, origins: AllowedOrigins = DEFAULT_ORIGINS) {
    this.#host = host;
    this.#origins = origins;
    this.#isLoopback = isLoopback(host);
  }

  /**
   * @throws {HttpError} 403. A collector that listens for other machines relies on their firewall and is reached under
   * many names, so it does not check.
   */
  check(request: Request): void {
    if (!this.#isLoopback) return;
    if (!namesLoopback(request, this.#host)) {
      throw new HttpError(
        403,
        `Host ${JSON.stringify(request.headers.get("host"))} is not this machine: a collector on ${this.#host} answers to localhost, 127.0.0.1 and [::1].`,
      );
    }
    if (!isOwnOrigin(request) && this.#allowed(request) === null) {
      const origin = request.headers.get("origin") ?? "";
      throw new HttpError(
        403,
        `Pages of ${JSON.stringify(origin)} may not use this collector. Start it with --cors ${origin} to allow them.`,
      );
    }
  }

  /** https://fetch.spec.whatwg.org/#http-access-control-allow-origin */
  addHeaders(request: Request, path: string, headers: Headers): void {
    if (!request.headers.has("origin") || PRIVATE_PATH.test(path)) return;
    const allowed = this.#allowed(request);
    if (allowed !== null) headers.set("Access-Control-Allow-Origin", allowed);
    if (this.#origins !== "*" && this.#origins.length > 0) headers.append("Vary", "Origin");
  }

  #allowed(request: Request): string | null {
    if (this.#origins === "*") return "*";
    const origin = request.headers.get("origin") ?? "";
    return this.#origins.includes(origin) ? origin : null;
  }
}
