import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CORE_SCHEMA, load, YAML11_SCHEMA } from "js-yaml";
import type { Plain } from "../../src/kubernetes/object.ts";
import { renderYaml } from "../../src/kubernetes/yaml.ts";

const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  "js-yaml, YAML 1.2": (text) => load(text, { schema: CORE_SCHEMA }),
  "js-yaml, YAML 1.1": (text) => load(text, { schema: YAML11_SCHEMA }),
  Bun: (text) => Bun.YAML.parse(text),
};

/** Texts that some reader of YAML takes for something else when they stand without quotes. */
const AMBIGUOUS = [
  ...[
    "",
    " ",
    " a",
    "a ",
    "a\t",
    "\ta",
    "a\nb",
    "a\n",
    "\r\n",
    "a: b",
    "a:",
    ": a",
    ":",
    "a #b",
    "#a",
    "a\t#b",
  ],
  ...[
    "~",
    "null",
    "Null",
    "NULL",
    "true",
    "False",
    "yes",
    "Yes",
    "NO",
    "y",
    "Y",
    "n",
    "on",
    "OFF",
    "=",
    "<<",
  ],
  ...[
    "0",
    "-1",
    "+1",
    "1_000",
    "1__",
    "1,000",
    "0b11",
    "0o17",
    "017",
    "0x1F",
    "-0x1f",
    "0x_1",
    "1:20",
    "1:20.5",
  ],
  ...[
    "1.",
    ".5",
    "1.5",
    "1e3",
    "1E-3",
    "1.0e+3",
    "1_0.5",
    "190:20:30",
    ".inf",
    "-.INF",
    "+.inf",
    ".nan",
    ".NaN",
  ],
  ...["2001-01-01", "2001-1-1", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43.10 -5"],
  ...[
    "-",
    "- a",
    "--- a",
    "---",
    "...",
    "?",
    "? a",
    "[a",
    "]",
    "{a",
    "}",
    ",a",
    "&a",
    "*a",
    "!a",
    "|",
    ">",
    "%a",
    "@a",
  ],
  ...["'a'", "it's", '"a"', "`a`", "\u0085", "\u2028", "\ufeff", "\u007f", "\u0000", "\\", "a\\nb"],
];

/** Texts that need no quotes, as people write them. */
const UNMISTAKABLE = [
  ...[
    "a",
    "chain-link-service-0",
    "openzipkin/zipkin:3.6.1",
    "http://chain-link-service-0",
    "256Mi",
    "10m",
    "1f",
  ],
  ...[
    "--sleep-time",
    "-Xms128m -Xmx512m",
    "/etc/chain-link.conf.d",
    "services.json",
    "apps/v1",
    "it's",
    "a#b",
  ],
  ...["a:b", "yesterday", "nullable", "3.6.1", "v1", "Überlänge"],
];

const nastyText = fc.oneof(
  fc.constantFrom(...AMBIGUOUS, ...UNMISTAKABLE),
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom(..."0123456789abcdefxo+-_.:,eE~<>=#!&*%@`'\" \t\n[]{}|?TZ") }),
);
const scalar = fc.oneof(
  nastyText,
  fc.boolean(),
  fc.constant(null),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0)),
);
const { value: anyValue } = fc.letrec<{ value: Plain }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(
      // Bun merges under a key `'<<'` too, though it is quoted.
      nastyText.filter((key) => key !== "__proto__" && key !== "<<"),
      tie("value"),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
}));

for (const [name, read] of Object.entries(READERS)) {
  describe(`read by ${name}`, () => {
    test.each([...AMBIGUOUS, ...UNMISTAKABLE])("the text %j stays the same", (text) => {
      expect(read(renderYaml({ key: text }))).toEqual({ key: text });
      expect(read(renderYaml([text]))).toEqual([text]);
      expect(read(renderYaml({ [text]: 1 }))).toEqual({ [text]: 1 });
    });

    test("any value is read back equal", () => {
      fc.assert(
        fc.property(anyValue, (value) => {
          expect(read(renderYaml(value))).toEqual(value);
        }),
        { numRuns: 2000 },
      );
    });
  });
}

test.each(UNMISTAKABLE)("the text %j is written without quotes", (text) => {
  expect(renderYaml({ key: text })).toBe(`key: ${text}\n`);
});

test("keys are sorted, lists are at the level of their key, and empty ones are on one line", () => {
  const value = {
    b: [{ y: "0", x: [[1], { k: {} }] }],
    a: { empty: [], nothing: undefined, text: "it's: 1" },
  };
  expect(renderYaml(value)).toBe(
    ["a:", "  empty: []", "  text: 'it''s: 1'", "b:", "- x:", "  - - 1", "  - k: {}", "  'y': '0'", ""].join(
      "\n",
    ),
  );
});

test("the order of insertion of keys does not matter", () => {
  expect(renderYaml({ b: 1, a: { d: 1, c: 2 } })).toBe(renderYaml({ a: { c: 2, d: 1 }, b: 1 }));
});
