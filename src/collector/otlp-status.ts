import { ProtobufWriter } from "../trace/protobuf.ts";

/** https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
const CODES: Readonly<Record<number, number>> = {
  400: 3, // INVALID_ARGUMENT
  403: 7, // PERMISSION_DENIED
  413: 3,
  415: 3,
  500: 13, // INTERNAL
  503: 14, // UNAVAILABLE
};
const UNKNOWN = 2;

/**
 * Answers with a `google.rpc.Status` in the request's encoding, as OTLP requires, or as JSON when the request has
 * neither encoding.
 */
export function respondStatus(request: Request, status: number, message: string): Response {
  const code = CODES[status] ?? UNKNOWN;
  const isProtobuf = mediaTypeOf(request) === "application/x-protobuf";
  const body = isProtobuf
    ? new ProtobufWriter().varint(1, code).text(2, message).finish()
    : JSON.stringify({ code, message: message.toWellFormed() });
  const type = isProtobuf ? "application/x-protobuf" : "application/json";
  return new Response(body, { status, headers: { "Content-Type": type } });
}

/** Returns the media type in lower case, without parameters. */
export function mediaTypeOf(request: Request): string {
  return (request.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}
