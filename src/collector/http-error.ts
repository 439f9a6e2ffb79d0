/** A request that cannot be served. Answered as Zipkin does: the message as plain text. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly status: number;

  constructor(status: 400 | 403 | 404 | 413 | 415 | 503, message: string) {
    super(message);
    this.status = status;
  }
}
