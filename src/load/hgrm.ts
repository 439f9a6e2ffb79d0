/** https://hdrhistogram.github.io/HdrHistogram/plotFiles.html and `outputPercentileDistribution` of HdrHistogram */
import { type Histogram, THREE_DIGITS } from "../lib/histogram.ts";

/** Number of lines for each halving of the distance to 100 %; HdrHistogram's default. */
const TICKS_PER_HALF_DISTANCE = 5;
const MICROS_PER_MS = 1000;

/** The percentile distribution of microseconds, as text in milliseconds for HdrHistogram's plotters. */
export function renderHgrm(histogram: Histogram): string {
  const lines = [row("Value", "Percentile", "TotalCount", "1/(1-Percentile)"), ""];
  let level = 0;
  let seen = 0;
  for (const bucket of histogram.buckets()) {
    const highest = Math.min(bucket.highest, histogram.max);
    seen += bucket.count;
    while ((100 * seen) / histogram.count >= level) {
      lines.push(
        row(ms(highest), (level / 100).toFixed(12), String(seen), (1 / (1 - level / 100)).toFixed(2)),
      );
      level = nextLevel(level);
      if (seen === histogram.count) {
        lines.push(row(ms(highest), "1.000000000000", String(seen), "").trimEnd());
        break;
      }
    }
  }
  lines.push(
    footer("Mean", ms(histogram.mean), "StdDeviation", ms(deviation(histogram))),
    footer("Max", ms(histogram.max), "Total count", String(histogram.count)),
    footer("Buckets", String(BUCKETS), "SubBuckets", String(2 ** (THREE_DIGITS + 1))),
  );
  return `${lines.join("\n")}\n`;
}

/** Number of powers of two in a histogram of µs, as HdrHistogram counts them. */
const BUCKETS = 41 - THREE_DIGITS;

function nextLevel(level: number): number {
  const halvings = Math.floor(Math.log2(100 / (100 - level))) + 1;
  return level + 100 / (TICKS_PER_HALF_DISTANCE * 2 ** halvings);
}

function deviation(histogram: Histogram): number {
  if (histogram.count === 0) return 0;
  const { mean } = histogram;
  let sum = 0;
  for (const { count, middle } of histogram.buckets()) sum += count * (middle - mean) ** 2;
  return Math.sqrt(sum / histogram.count);
}

function ms(micros: number): string {
  return (micros / MICROS_PER_MS).toFixed(3);
}

function row(value: string, percentile: string, total: string, inverse: string): string {
  return `${value.padStart(12)} ${percentile.padStart(14)} ${total.padStart(10)} ${inverse.padStart(14)}`;
}

function footer(first: string, value: string, second: string, other: string): string {
  return `#[${first.padEnd(7)} = ${value.padStart(12)}, ${second.padEnd(14)} = ${other.padStart(12)}]`;
}
