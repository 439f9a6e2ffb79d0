import { expect, test } from "bun:test";
import { Histogram, THREE_DIGITS } from "../../src/lib/histogram.ts";
import { renderHgrm } from "../../src/load/hgrm.ts";

function hgrmOf(values: readonly number[]): string {
  const histogram = new Histogram(THREE_DIGITS);
  for (const value of values) histogram.record(value);
  return renderHgrm(histogram);
}

test("the percentile distribution equals HdrHistogram's text", () => {
  // The levels are those of HdrHistogram's percentile iterator with five ticks for each half distance.
  expect(hgrmOf([1000, 1001, 1002, 1003]).split("\n")).toEqual([
    "       Value     Percentile TotalCount 1/(1-Percentile)",
    "",
    "       1.000 0.000000000000          1           1.00",
    "       1.000 0.100000000000          1           1.11",
    "       1.000 0.200000000000          1           1.25",
    "       1.001 0.300000000000          2           1.43",
    "       1.001 0.400000000000          2           1.67",
    "       1.001 0.500000000000          2           2.00",
    "       1.002 0.550000000000          3           2.22",
    "       1.002 0.600000000000          3           2.50",
    "       1.002 0.650000000000          3           2.86",
    "       1.002 0.700000000000          3           3.33",
    "       1.002 0.750000000000          3           4.00",
    "       1.003 0.775000000000          4           4.44",
    "       1.003 1.000000000000          4",
    "#[Mean    =        1.002, StdDeviation   =        0.001]",
    "#[Max     =        1.003, Total count    =            4]",
    "#[Buckets =           31, SubBuckets     =         2048]",
    "",
  ]);
});

test("the distribution of an empty histogram has a header and zeros", () => {
  expect(hgrmOf([])).toContain("Total count    =            0]");
});
