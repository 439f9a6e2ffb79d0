import { expect, test } from "bun:test";
import { formatCount, formatGroupedCount } from "../../src/lib/count.ts";

test("a terminal shows a count of one without a plural, and larger ones without separators", () => {
  expect(formatCount(1, "span")).toBe("1 span");
  expect(formatCount(0, "span")).toBe("0 spans");
  expect(formatCount(12000, "span")).toBe("12000 spans");
});

test("the page shows a count of one without a plural, and larger ones with separators", () => {
  expect(formatGroupedCount(1, "span")).toBe("1 span");
  expect(formatGroupedCount(12000, "span")).toBe("12,000 spans");
});
