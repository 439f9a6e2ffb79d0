/** A share of a whole, with a percent sign: `20%`, `0.5%`. */
export const PERCENTAGE_PATTERN = /^(?:100(?:\.0+)?|\d{1,2}(?:\.\d+)?)%$/;

/** The fraction (0 to 1) of a percentage that matches {@link PERCENTAGE_PATTERN}; `undefined` for other text. */
export function parsePercentage(text: string): number | undefined {
  return PERCENTAGE_PATTERN.test(text) ? Number(text.slice(0, -1)) / 100 : undefined;
}

/** The text that {@link parsePercentage} reads back as this fraction. */
export function formatPercentage(fraction: number): string {
  return `${Number((fraction * 100).toFixed(6))}%`;
}
