/** How many service colours `page.css` has: `--service-0` and on. */
export const SERVICE_COLORS = 6;

/**
 * The number of a service's colour: the same wherever the name appears. Names that end in a number get colours in
 * turn, so that neighbours in a chain differ.
 */
export function colorOf(name: string): number {
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
