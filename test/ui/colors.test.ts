import { expect, test } from "bun:test";
import { colorOf, SERVICE_COLORS } from "../../ui/colors.ts";

test("as many services as there are colours have one each, and keep it", () => {
  const names = Array.from(
    { length: 10 * SERVICE_COLORS },
    (_, index) => `team-${index % 7}-${"x".repeat(index)}`,
  );
  const colors = names.map(colorOf);
  for (let from = 0; from < colors.length; from += SERVICE_COLORS) {
    expect(new Set(colors.slice(from, from + SERVICE_COLORS)).size).toBe(SERVICE_COLORS);
  }
  expect(names.toReversed().map(colorOf).toReversed()).toEqual(colors);
});
