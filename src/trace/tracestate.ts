/** https://www.w3.org/TR/trace-context-2/#tracestate-header */

const MAX_MEMBERS = 32;
const KEY = "[a-z0-9][a-z0-9_\\-*/@]{0,255}";
/** Printable ASCII without comma and equals sign; leading spaces belong to a value, trailing ones do not. */
const VALUE = "[\\x20-\\x2b\\x2d-\\x3c\\x3e-\\x7e]{0,255}[\\x21-\\x2b\\x2d-\\x3c\\x3e-\\x7e]";
const MEMBER = new RegExp(`^${KEY}=${VALUE}$`);

/**
 * The members of a `tracestate`, in order and separated by commas; several header lines are already joined by commas.
 * Empty members are dropped and do not count. Returns `null` if no member is left, any is malformed, or there are more
 * than 32: a list that cannot be parsed is discarded as a whole. Duplicate keys are passed on, because they are not ours.
 */
export function parseTracestate(text: string | null): string | null {
  if (text === null) return null;
  const members = text.split(/[ \t]*,[ \t]*/).map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ""));
  const filled = members.filter((member) => member !== "");
  if (filled.length === 0 || filled.length > MAX_MEMBERS) return null;
  return filled.every((member) => MEMBER.test(member)) ? filled.join(",") : null;
}
