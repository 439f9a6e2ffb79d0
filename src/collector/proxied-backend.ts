/** A trace backend behind a proxy, and how to query it. */
export interface ProxiedBackend {
  readonly kind: "zipkin" | "collector";
  /** The backend streams live numbers, and the path to it lets a stream through. The API server's proxy does not. */
  readonly hasLive: boolean;
  /** Has no trailing slash. */
  readonly url: string;
  readonly fetch: (
    url: string,
    init: {
      readonly headers?: Record<string, string>;
      readonly signal: AbortSignal;
      readonly redirect?: "manual";
    },
  ) => Promise<Response>;
}
