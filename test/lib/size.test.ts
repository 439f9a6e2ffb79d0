import { expect, test } from "bun:test";
import { parseSize } from "../../src/lib/size.ts";

test.each([
  ["0", 0],
  ["512", 512],
  ["512B", 512],
  ["4KiB", 4096],
  ["4Ki", 4096],
  ["2k", 2000],
  ["1.5MB", 1_500_000],
  ["1Gi", 2 ** 30],
])("%s is %d bytes", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each(["", "-1", "4 KiB", "4kib", "KiB", "1e3", "4TB"])("%j is not a size", (text) => {
  expect(parseSize(text)).toBeUndefined();
});
