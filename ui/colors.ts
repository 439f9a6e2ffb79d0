/** How many service colours `page.css` has: `--service-0` and on. */
export const SERVICE_COLORS = 6;

const colors = new Map<string, number>();
const uses: number[] = new Array(SERVICE_COLORS).fill(0);

/**
 * The number of a service's colour: the same wherever the name appears, and another one's only when all are taken. It
 * wants the one of its hash, so that it mostly has the same after the page was loaded again.
 */
export function colorOf(name: string): number {
  const known = colors.get(name);
  if (known !== undefined) return known;
  const wanted = wantedColor(name);
  const fewest = Math.min(...uses);
  let color = wanted;
  while (uses[color] !== fewest) color = (color + 1) % SERVICE_COLORS;
  uses[color] = fewest + 1;
  colors.set(name, color);
  return color;
}

/** Gives names their colours in an order that is always the same, so that a page that is opened anew looks as before. */
export function assignColors(names: readonly string[]): void {
  for (const name of names.toSorted()) colorOf(name);
}

/** Names that end in a number get colours in turn, so that neighbours in a chain differ. */
function wantedColor(name: string): number {
  const [, prefix = name, digits = ""] = /^(.*?)(\d{0,9})$/s.exec(name) ?? [];
  let hash = 0;
  for (let index = 0; index < prefix.length; index++) {
    hash = Math.imul(hash ^ prefix.charCodeAt(index), 16_777_619) >>> 0;
  }
  return (((hash ^ (hash >>> 15)) >>> 0) + Number(digits)) % SERVICE_COLORS;
}

/** A class that sets `--color` to the service's colour. */
export function colorClass(name: string): string {
  return `color-${colorOf(name)}`;
}
