import { expect, test } from "bun:test";
import fc from "fast-check";
import { sliceJsonList } from "../../src/trace/json-slices.ts";

function slice(text: string, bytes: number): { objects: unknown[]; isWhole: boolean } {
  const objects: unknown[] = [];
  const slices = sliceJsonList(Buffer.from(text), bytes);
  for (let next = slices.next(); ; next = slices.next()) {
    if (next.done) return { objects, isWhole: next.value };
    const part = JSON.parse(next.value.text) as unknown[];
    expect(part).toHaveLength(next.value.objects);
    objects.push(...part);
  }
}

test("slices of a list are the list", () => {
  const objects = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 20 });
  const indent = fc.constantFrom(undefined, 1, "\t");
  fc.assert(
    fc.property(objects, indent, fc.integer({ min: 1, max: 100 }), (list, space, bytes) => {
      const { objects: found, isWhole } = slice(JSON.stringify(list, null, space), bytes);
      expect(isWhole).toBe(true);
      expect(found).toEqual(JSON.parse(JSON.stringify(list)));
    }),
  );
});

test.each(["[", "[{}", "[{},", "[{},]", "[{} {}]", "[,{}]", "[{}]x", "[1]", '[{"a":"]', "[{},,{}]", "[[]]"])(
  "%s is left to who parses the whole",
  (text) => {
    for (const bytes of [1, 1000]) {
      let isWhole = false;
      try {
        ({ isWhole } = slice(text, bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
      }
      expect(isWhole).toBe(false);
    }
  },
);

test("text that is whole to it and not to a parser fails in a slice", () => {
  expect(() => slice('[{"a"},{}]', 1)).toThrow(SyntaxError);
});
