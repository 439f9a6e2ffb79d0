const FACTORS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  k: 1e3,
  kB: 1e3,
  KB: 1e3,
  M: 1e6,
  MB: 1e6,
  G: 1e9,
  GB: 1e9,
  Ki: 1024,
  KiB: 1024,
  Mi: 1024 ** 2,
  MiB: 1024 ** 2,
  Gi: 1024 ** 3,
  GiB: 1024 ** 3,
};

/** A size as Kubernetes and people write it: `512`, `512B`, `4KiB`, `4Ki`, `1.5MB`. */
export const SIZE_PATTERN = /^\d+(?:\.\d+)?(?:B|k|kB|KB|[MG]B?|[KMG]i|[KMG]iB)?$/;

/** Bytes of a size that matches {@link SIZE_PATTERN}; `undefined` for other text. */
export function parseSize(text: string): number | undefined {
  if (!SIZE_PATTERN.test(text)) return undefined;
  const digits = /^[\d.]+/.exec(text)?.[0] ?? "";
  const factor = FACTORS[text.slice(digits.length)];
  return factor === undefined ? undefined : Math.round(Number(digits) * factor);
}

const BINARY_UNITS = ["GiB", "MiB", "KiB"] as const;

/** The shortest text that {@link parseSize} reads back as this many bytes: `512`, `4KiB`, `64MiB`. */
export function formatSize(bytes: number): string {
  for (const unit of BINARY_UNITS) {
    const factor = FACTORS[unit] ?? 1;
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return String(bytes);
}
