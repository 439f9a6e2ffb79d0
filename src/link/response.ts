/** An answer in plain terms. */
export interface LinkResponse {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | Uint8Array;
}

export const JSON_TYPE = "application/json";
const ALLOW = ["Allow", "GET, HEAD, OPTIONS"] as const;

/** A JSON answer in the original's form: the object and a line feed. */
export function jsonResponse(
  status: number,
  content: object,
  headers: LinkResponse["headers"] = [],
): LinkResponse {
  return { status, headers: [["Content-Type", JSON_TYPE], ...headers], body: `${JSON.stringify(content)}\n` };
}

/** The answer to a method other than `GET` and `HEAD`. */
export function refuseMethod(method: string): LinkResponse {
  if (method === "OPTIONS") return { status: 200, headers: [ALLOW], body: "" };
  return jsonResponse(405, { message: "Method Not Allowed" }, [ALLOW]);
}
