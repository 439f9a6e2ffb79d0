/**
 * Formats a count with its noun: `12000 spans`, `1 span`. The digits are not grouped, so that a number in a
 * terminal can be copied and searched for.
 */
export function formatCount(count: number, noun: string): string {
  return `${count} ${inflect(noun, count)}`;
}

/** Formats a count for the page, with thousands separators: `12,000 spans`, `1 span`. */
export function formatGroupedCount(count: number, noun: string): string {
  return `${count.toLocaleString("en")} ${inflect(noun, count)}`;
}

function inflect(noun: string, count: number): string {
  return count === 1 ? noun : `${noun}s`;
}
