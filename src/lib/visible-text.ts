/**
 * Characters that a terminal interprets instead of displaying, or that make a text look like another one: C0 and C1
 * controls except tab and line feed, DEL, line and paragraph separators, and those that change the direction of writing
 * (https://trojansource.codes).
 */
const CONTROLS = String.raw`\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069`;
const CONTROL = new RegExp(`[${CONTROLS}]`);
const EVERY_CONTROL = new RegExp(`[${CONTROLS}]`, "g");

/** Whether the text contains a character that a terminal would interpret. */
export function hasControls(text: string): boolean {
  return CONTROL.test(text);
}

/**
 * Foreign text, made safe to write to a terminal: control characters are spelled out, except tabs and line feeds. `ESC`
 * and the other C0 controls become `^[` and the like, and a carriage return `\r`, as in kubectl since CVE-2021-25743.
 * All others become `\u009b` and the like: JSON has no raw C0 controls, so its meaning does not change.
 */
export function visibleText(text: string): string {
  return hasControls(text) ? text.replace(EVERY_CONTROL, spellOut) : text;
}

/** Like {@link visibleText}, but on one line: a line feed becomes `\n`. */
export function visibleLine(text: string): string {
  return visibleText(text).replaceAll("\n", "\\n");
}

/** Like {@link visibleLine}, but for columns, where a tab would change the width: it becomes `\t`. */
export function visibleCell(text: string): string {
  return visibleLine(text).replaceAll("\t", "\\t");
}

/** Joins lines into one text. No line can pretend to be two. */
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
