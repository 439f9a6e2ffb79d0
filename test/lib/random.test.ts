import { expect, test } from "bun:test";
import { randomSource } from "../../src/lib/random.ts";

function draw(seed: string | null, name: string, count = 1000): number[] {
  const random = randomSource(seed)(name);
  return Array.from({ length: count }, () => random());
}

test("the same seed and name give the same numbers, and another seed or name gives others", () => {
  expect(draw("7", "a")).toEqual(draw("7", "a"));
  expect(draw("7", "a")).not.toEqual(draw("8", "a"));
  expect(draw("7", "a")).not.toEqual(draw("7", "b"));
  expect(draw(null, "a")).not.toEqual(draw(null, "a"));
});

test("the sequence of a seed does not change between versions", () => {
  expect(draw("7", "chain-link-service-0", 3)).toMatchInlineSnapshot(`
    [
      0.9081146803218871,
      0.5609951156657189,
      0.12205507745966315,
    ]
  `);
});

test("numbers are spread evenly over [0, 1), including the first ones of similar seeds", () => {
  const first = Array.from({ length: 10_000 }, (_, seed) => draw(String(seed), "a", 1)[0] ?? -1);
  for (const numbers of [draw("1", "a", 10_000), first]) {
    for (let tenth = 0; tenth < 10; tenth++) {
      const inTenth = numbers.filter((value) => value >= tenth / 10 && value < (tenth + 1) / 10).length;
      expect(inTenth).toBeWithin(850, 1150);
    }
  }
});
