import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { findLargeValues, findMembers, sliceJsonList } from "../../src/trace/json-slices.ts";

function slice(text: string, sliceBytes: number): unknown[] {
  const bytes = Buffer.from(text);
  return [...sliceJsonList(bytes, sliceBytes)].flatMap(({ start, end, values }) => {
    const part = JSON.parse(`[${bytes.toString("utf8", start, end)}]`) as unknown[];
    expect(part).toHaveLength(values);
    return part;
  });
}

function readMembers(text: string): Record<string, unknown> {
  const bytes = Buffer.from(text);
  const members = [...findMembers(bytes, { start: 0, end: bytes.length })];
  return Object.fromEntries(
    members.map(([key, { start, end }]) => [key, JSON.parse(bytes.toString("utf8", start, end))]),
  );
}

const indent = fc.constantFrom(undefined, 1, "\t");
const DAMAGE = [...'[]{},:"\\ 1tn'];

/** JSON with one character inserted, removed or replaced. */
const damaged = (value: fc.Arbitrary<unknown>) =>
  fc.tuple(value, fc.nat(), fc.constantFrom(...DAMAGE), fc.nat(2)).map(([it, place, character, removed]) => {
    const text = JSON.stringify(it);
    const at = place % (text.length + 1);
    return text.slice(0, at) + (removed === 2 ? "" : character) + text.slice(at + (removed > 0 ? 1 : 0));
  });

function outcomeOf(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    expect(error).toBeInstanceOf(SyntaxError);
    return "refused";
  }
}

describe("a list", () => {
  test("is equal to its slices joined", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 20 }), indent, fc.nat(100), (list, space, bytes) => {
        const text = JSON.stringify(list, null, space);
        expect(slice(text, bytes)).toEqual(JSON.parse(text));
      }),
    );
  });

  test("that is damaged is refused exactly if a parser refuses it", () => {
    fc.assert(
      fc.property(damaged(fc.array(fc.jsonValue({ maxDepth: 2 }))), fc.nat(50), (text, bytes) => {
        const whole = outcomeOf(() => JSON.parse(text));
        if (Array.isArray(whole) || whole === "refused")
          expect(outcomeOf(() => slice(text, bytes))).toEqual(whole);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("an object", () => {
  test("has the members that a parser finds, the last one for a duplicate key", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), indent, (value, space) => {
        const text = JSON.stringify(value, null, space);
        expect(readMembers(text)).toEqual(JSON.parse(text));
      }),
    );
    expect(readMembers('{"a":1,"b":2,"a":3}')).toEqual({ a: 3, b: 2 });
  });

  test("that is damaged is refused if a parser refuses it", () => {
    fc.assert(
      fc.property(damaged(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }))), (text) => {
        const whole = outcomeOf(() => JSON.parse(text));
        const isObject = typeof whole === "object" && whole !== null && !Array.isArray(whole);
        // A duplicate key hides a malformed first value.
        if (isObject) expect(outcomeOf(() => readMembers(text))).toEqual(whole);
        if (whole === "refused") expect(outcomeOf(() => readMembers(text))).toBeDefined();
      }),
      { numRuns: 2000 },
    );
  });
});

test.each([
  "[",
  "[{}",
  "[{},",
  "[{},]",
  "[{} {}]",
  "[,{}]",
  "[{}]x",
  '[{"a":"]',
  "[{},,{}]",
  "[1 2]",
  "{}",
  "",
])("the list %s is refused in any slices", (text) => {
  for (const bytes of [0, 1, 1000]) expect(() => slice(text, bytes)).toThrow(SyntaxError);
});

test("the ends of large values are found in one walk that yields now and then", () => {
  const long = 'x]}"\\'.repeat(20_000);
  const deep = { list: [long, long] };
  const lists = [[deep], [long]];
  const value = { small: [1, { a: "]" }], texts: [long, "}"], nested: lists };
  const text = JSON.stringify(value, null, 1);
  const walk = findLargeValues(Buffer.from(text));
  let stops = 0;
  let step = walk.next();
  for (; step.done !== true; step = walk.next()) stops++;
  expect(stops).toBeGreaterThan(0);
  const found = [...step.value].map(([start, end]) => JSON.parse(text.slice(start, end)));
  expect(found).toEqual([value.texts, deep.list, deep, lists[0], lists[1], lists, value]);
});
