/**
 * Wraps text at `spaces` into lines of at most `width` characters. A longer word stays whole: it may be an address or a
 * name.
 */
export function wrapText(text: string, width: number, spaces = / /): string[] {
  const lines: string[] = [];
  for (const part of text.split(spaces)) {
    const line = `${lines.at(-1)} ${part}`;
    if (lines.length > 0 && line.length <= width) lines[lines.length - 1] = line;
    else lines.push(part);
  }
  return lines;
}
