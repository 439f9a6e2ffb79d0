/** Leaves out the middle of a text, so that it has at most `most` characters. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  let head = Math.ceil((most - 1) / 2);
  let tail = text.length - (most - 1 - head);
  // A cut must not split a surrogate pair.
  if (isLowSurrogate(text, head)) head--;
  if (isLowSurrogate(text, tail)) tail++;
  return `${text.slice(0, head)}…${text.slice(tail)}`;
}

function isLowSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff;
}

/** Returns a name without the prefix that all names of a view share. */
export type Namer = (name: string) => string;

/**
 * Leaves out the common prefix of names, which ends at `-`, `.`, `_`, `/` or `:`. The rest of each name
 * begins with a letter, because a number alone would mean nothing.
 */
export function namerOf(names: readonly string[]): Namer {
  const prefix = commonPrefix(names);
  return (name) => (name.startsWith(prefix) ? name.slice(prefix.length) : name);
}

function commonPrefix(names: readonly string[]): string {
  const [first = "", ...others] = names;
  if (others.length === 0) return "";
  let length = first.length;
  for (const name of others) {
    let same = 0;
    while (same < length && name.charCodeAt(same) === first.charCodeAt(same)) same++;
    length = same;
  }
  for (; length > 0; length--) {
    if (!/[-._/:]/.test(first.charAt(length - 1))) continue;
    if (names.every((name) => /\p{L}/u.test(name.charAt(length)))) return first.slice(0, length);
  }
  return "";
}
