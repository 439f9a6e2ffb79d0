/**
 * Characters that a terminal obeys instead of showing them, and that let a text look like another one: C0 and C1 controls except tab
 * and line feed, DEL, line and paragraph separators, and those that change the direction of writing
 * (https://trojansource.codes).
 */
const OBEYED = String.raw`\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069`;
const OBEYED_CHARACTER = new RegExp(`[${OBEYED}]`);
const OBEYED_CHARACTERS = new RegExp(`[${OBEYED}]`, "g");

/** Whether a terminal would obey a character of the text. */
export function hasObeyed(text: string): boolean {
  return OBEYED_CHARACTER.test(text);
}

/**
 * Text from elsewhere, safe to write to a terminal: what a terminal would obey is spelled out. Tabs and line feeds stay. `ESC` and the other C0
 * controls become `^[` and the like, and a carriage return `\r`, as in kubectl since CVE-2021-25743. All others become `\u009b`
 * and the like: in JSON, where C0 controls do not occur, the text keeps its meaning.
 */
export function visibleText(text: string): string {
  return hasObeyed(text) ? text.replace(OBEYED_CHARACTERS, spellOut) : text;
}

/** As {@link visibleText}, and on one line: a line feed becomes `\n`. */
export function visibleLine(text: string): string {
  return visibleText(text).replaceAll("\n", "\\n");
}

/** As {@link visibleLine}, and as wide as it is long, for columns: a tab becomes `\t`. */
export function visibleCell(text: string): string {
  return visibleLine(text).replaceAll("\t", "\\t");
}

/** Lines as one text. None of them can pretend to be two. */
export function joinLines(lines: readonly string[]): string {
  return lines.map((line) => `${visibleLine(line)}\n`).join("");
}

const CARET_OFFSET = 0x40;

function spellOut(character: string): string {
  const code = character.charCodeAt(0);
  if (character === "\r") return "\\r";
  return code < 0x20
    ? `^${String.fromCharCode(code + CARET_OFFSET)}`
    : `\\u${code.toString(16).padStart(4, "0")}`;
}
