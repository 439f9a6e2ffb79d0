import { expect, test } from "bun:test";
import { formatShare } from "../../src/lib/share.ts";

const SHARES: readonly (readonly [number, string])[] = [
  [0, "0 %"],
  [0.00001, "< 0.1 %"],
  [0.001, "0.1 %"],
  [0.03, "3 %"],
  [0.1234, "12.3 %"],
  [0.999, "99.9 %"],
  [0.99999, "> 99.9 %"],
  [1, "100 %"],
];

test.each(SHARES)("the share %d is shown as %s", (share, text) => {
  expect(formatShare(share)).toBe(text);
});
