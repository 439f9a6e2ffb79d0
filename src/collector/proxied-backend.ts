/** Where the traces are, and how it is asked. */
export interface ProxiedBackend {
  readonly kind: "zipkin" | "collector";
  /** It has live numbers as a stream, and the way to it lets a stream through, which the API server's does not. */
  readonly hasLive: boolean;
  /** Without a slash at the end. */
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
