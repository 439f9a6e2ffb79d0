import type { Exchange } from "../http/exchange.ts";

/** An answer as plain values. */
export interface LinkResponse {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | Uint8Array;
}

export const JSON_TYPE = "application/json";
const ALLOW = ["Allow", "GET, HEAD, OPTIONS"] as const;
const ALLOW_WITH_POST = ["Allow", "GET, HEAD, OPTIONS, POST"] as const;

/** A JSON answer in the original's format: an object and a line feed. */
export function jsonResponse(
  status: number,
  content: object,
  headers: LinkResponse["headers"] = [],
): LinkResponse {
  return { status, headers: [["Content-Type", JSON_TYPE], ...headers], body: `${JSON.stringify(content)}\n` };
}

/** The answer if there is no route: `OPTIONS *` asks about the server as a whole (RFC 9110, 9.3.7). */
export function answerUnrouted({ method, target }: Pick<Exchange, "method" | "target">): LinkResponse {
  return target === "*" ? refuseMethod(method, true) : jsonResponse(404, { message: "Not Found" });
}

/** The answer to a method that is not allowed; `/forward` accepts bodies by POST. */
export function refuseMethod(method: string, takesBodies = false): LinkResponse {
  const allow = takesBodies ? ALLOW_WITH_POST : ALLOW;
  if (method === "OPTIONS") return { status: 200, headers: [allow], body: "" };
  return jsonResponse(405, { message: "Method Not Allowed" }, [allow]);
}
