const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;

/** Larger texts are not repaired, because that would hold up other requests. */
const MAX_LENGTH = 1024 * 1024;

/**
 * Rewrites strings that Zipkin's parser (Gson) accepts and JSON does not: raw control characters such as line breaks, also
 * after a backslash, and `\'`. Returns the same text if there are none.
 */
export function escapeStrings(text: string): string {
  if (text.length > MAX_LENGTH) return text;
  let [escaped, from] = ["", 0];
  let isInString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) isInString = !isInString;
    if (!isInString || (code >= FIRST_PRINTABLE && code !== BACKSLASH)) continue;
    if (code === BACKSLASH) {
      const next = text[at + 1];
      if (next === "'" || next === "\n") {
        escaped += text.slice(from, at) + (next === "'" ? "'" : "\\n");
        from = at + 2;
      }
      at++;
    } else {
      escaped += `${text.slice(from, at)}\\u${code.toString(16).padStart(4, "0")}`;
      from = at + 1;
    }
  }
  return escaped + text.slice(from);
}
