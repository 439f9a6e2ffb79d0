import { isRecord } from "../../lib/record.ts";

/** Returns when a token expires, if it is a JSON Web Token with `exp` (RFC 7519, 4.1.4). */
export function readTokenEnd(token: string): number {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    return isRecord(claims) && typeof claims.exp === "number" ? claims.exp * 1000 : Number.NaN;
  } catch {
    return Number.NaN;
  }
}
