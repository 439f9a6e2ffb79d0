/** Control characters of ASCII and Latin-1, line separators, and marks that turn the direction of text. */
const HIDDEN = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/**
 * A text from elsewhere for a terminal or a log: control characters become visible (`\x1b`, `\u202e`), so that it cannot
 * move the cursor, change colors or begin a line of its own.
 */
export function visibleText(text: string): string {
  return text.replace(HIDDEN, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
  });
}
