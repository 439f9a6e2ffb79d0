import type { HeaderReader } from "../trace/context.ts";

/** A request as the handler sees it, whatever server read it. */
export interface LinkRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Path and query as sent. */
  readonly target: string;
  readonly header: HeaderReader;
  readonly peer: { readonly address: string; readonly port: number } | null;
}

/** An answer as the handler gives it, whatever server writes it. */
export interface LinkResponse {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | Uint8Array;
}

export type Handler = (request: LinkRequest) => Promise<LinkResponse> | LinkResponse;

export const JSON_TYPE = "application/json";

/** A JSON answer in the original's form: the object and a line feed. */
export function jsonResponse(
  status: number,
  content: object,
  headers: LinkResponse["headers"] = [],
): LinkResponse {
  return { status, headers: [["Content-Type", JSON_TYPE], ...headers], body: `${JSON.stringify(content)}\n` };
}
