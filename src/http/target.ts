/** https://www.rfc-editor.org/rfc/rfc9112#section-3.2 */
import { isHost } from "./host.ts";
import { BAD_METHOD, BAD_TARGET } from "./problem.ts";

/** The positions of method and target in a request. */
interface RequestLine {
  readonly methodStart: number;
  readonly methodEnd: number;
  readonly targetStart: number;
  readonly targetEnd: number;
}

const ABSOLUTE = /^https?:\/\/([^/?]*)/i;

/** Checks a target that does not begin with a slash. Returns 0, or a negative problem code. */
export function checkTarget(bytes: Buffer, line: RequestLine): number {
  const method = bytes.toString("latin1", line.methodStart, line.methodEnd);
  const target = bytes.toString("latin1", line.targetStart, line.targetEnd);
  if (method === "CONNECT") {
    const hasPort = /:\d+$/.test(target);
    return hasPort && isHost(bytes, line.targetStart, line.targetEnd) ? BAD_METHOD : BAD_TARGET;
  }
  if (target === "*") return method === "OPTIONS" ? 0 : BAD_TARGET;
  const start = line.targetStart + target.indexOf("//") + 2;
  const authority = authorityOf(target);
  // A user before the host makes the host malformed; other schemes are rejected as well, because this is not a proxy.
  return authority !== null && isHost(bytes, start, start + authority.length) ? 0 : BAD_TARGET;
}

/** The authority of a target in absolute form, which takes precedence over `Host` (section 3.2.2); `null` in other forms. */
export function authorityOf(target: string): string | null {
  return ABSOLUTE.exec(target)?.[1] ?? null;
}

/** Path and query of a target in absolute form; other targets are returned unchanged. */
export function pathOf(target: string): string {
  if (!ABSOLUTE.test(target)) return target;
  const path = target.replace(ABSOLUTE, "");
  return path.startsWith("/") ? path : `/${path}`;
}
