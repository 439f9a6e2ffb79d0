/** How many service colors `shell/colors.css` has: `--service-0` and on. */
export const SERVICE_COLORS = 12;

/** One with which no two services of a document in `examples/` are alike. */
const SEED = 4;

const colors = new Map<string, number>();

/**
 * The number of a service's color. It follows from the name alone, so that a service looks the same in every view, tab
 * and file, whatever appeared before it. Two services may be alike; names that end in a number get the colors in turn,
 * so that neighbors in a chain are not.
 */
export function colorOf(name: string): number {
  let color = colors.get(name);
  if (color === undefined) {
    color = hashName(name) % SERVICE_COLORS;
    colors.set(name, color);
  }
  return color;
}

/** FNV-1a of what stands before the number, plus the number. */
function hashName(name: string): number {
  const [, prefix = name, digits = ""] = /^(.*?)(\d{0,9})$/s.exec(name) ?? [];
  let hash = SEED;
  for (let index = 0; index < prefix.length; index++) {
    hash = Math.imul(hash ^ prefix.charCodeAt(index), 16_777_619);
  }
  return ((hash ^ (hash >>> 15)) >>> 0) + Number(digits);
}

/** A class that sets `--color` to the service's color. */
export function colorClass(name: string): string {
  return `color-${colorOf(name)}`;
}
