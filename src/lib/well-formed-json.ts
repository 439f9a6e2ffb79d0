/**
 * Like `JSON.parse`, but replaces each lone surrogate with U+FFFD. Clients that truncate text write lone surrogates, and
 * `JSON.stringify` would pass them on as escapes that jq and Python reject.
 * @throws {SyntaxError}
 */
export function parseWellFormed(text: string, reviver?: (key: string, value: unknown) => unknown): unknown {
  const value: unknown = JSON.parse(text, reviver);
  // Invalid UTF-8 was already replaced with U+FFFD: only an escape can produce a lone surrogate.
  return text.includes("\\ud") || text.includes("\\uD") ? makeWellFormed(value) : value;
}

/** In place, and iterative: the value may be nested deeper than the stack. */
function makeWellFormed(root: unknown): unknown {
  if (typeof root === "string") return root.toWellFormed();
  const pending = [root];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (typeof value !== "object" || value === null) continue;
    const record = value as Record<string, unknown>;
    for (const [key, item] of Object.entries(record)) {
      if (typeof item === "object" && item !== null) pending.push(item);
      const text = typeof item === "string" ? item.toWellFormed() : item;
      if (key.isWellFormed()) {
        if (text !== item) record[key] = text;
      } else {
        delete record[key];
        record[key.toWellFormed()] = text;
      }
    }
  }
  return root;
}
