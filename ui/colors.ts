/** Number of service colors in `shell/colors.css`: `--service-0` and so on. */
export const SERVICE_COLORS = 12;

/** A seed with which no two services of any document in `examples/` share a color. */
const SEED = 4;

const colors = new Map<string, number>();

/**
 * The number of a service's color. It depends on the name alone, so that a service looks the same in every
 * view, tab and file, whatever appeared before it. Two services may share a color. Names that end in a number
 * get the colors in turn, so that neighbors in a chain differ.
 */
export function colorOf(name: string): number {
  let color = colors.get(name);
  if (color === undefined) {
    color = hashName(name) % SERVICE_COLORS;
    colors.set(name, color);
  }
  return color;
}

/** FNV-1a of the text before the number, plus the number. */
function hashName(name: string): number {
  const [, prefix = name, digits = ""] = /^(.*?)(\d{0,9})$/s.exec(name) ?? [];
  let hash = SEED;
  for (let index = 0; index < prefix.length; index++) {
    hash = Math.imul(hash ^ prefix.charCodeAt(index), 16_777_619);
  }
  return ((hash ^ (hash >>> 15)) >>> 0) + Number(digits);
}

/** The CSS class that sets `--color` to the service's color. */
export function colorClass(name: string): string {
  return `color-${colorOf(name)}`;
}
