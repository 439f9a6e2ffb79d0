import * as v from "valibot";
import { DURATION_PATTERN, parseDuration } from "../lib/duration.ts";
import { PERCENTAGE_PATTERN } from "../lib/percentage.ts";
import { isRecord } from "../lib/record.ts";
import { parseSize, SIZE_PATTERN } from "../lib/size.ts";

/**
 * Schemas of the values in a topology document. Each check's message says what was expected; the parser adds the place
 * and what was found.
 */

/** The message of an unknown key begins with this; a list of the known keys follows. */
export const KNOWN_KEYS = "one of ";

const DURATION_EXPECTED = "a duration such as 2ms, 300us or 1.5s";
/** Includes the number 0, because YAML reads an unquoted 0 as a number. */
export const duration = v.pipe(
  v.union(
    [v.pipe(v.string(), v.regex(DURATION_PATTERN, DURATION_EXPECTED)), v.literal(0)],
    DURATION_EXPECTED,
  ),
  v.transform(String),
);

const SIZE_EXPECTED = "a size such as 512B or 4KiB";

const wholeBytes = v.pipe(
  v.number(SIZE_EXPECTED),
  v.integer(SIZE_EXPECTED),
  v.minValue(0, SIZE_EXPECTED),
  v.maxValue(Number.MAX_SAFE_INTEGER, SIZE_EXPECTED),
);

/** A size or a number of bytes, at most `maxBytes`; `maxText` is that limit for people. */
export function sizeUpTo(maxBytes: number, maxText: string) {
  return v.pipe(
    v.union([v.pipe(v.string(), v.regex(SIZE_PATTERN, SIZE_EXPECTED)), wholeBytes], SIZE_EXPECTED),
    v.transform(String),
    v.check((text) => (parseSize(text) ?? 0) <= maxBytes, `a size up to ${maxText}`),
  );
}

const FRACTION_EXPECTED = "a percentage such as 0.5% or a number from 0 to 1";
export const fraction = v.union(
  [
    v.pipe(v.string(FRACTION_EXPECTED), v.regex(PERCENTAGE_PATTERN, FRACTION_EXPECTED)),
    v.pipe(v.number(FRACTION_EXPECTED), v.minValue(0, FRACTION_EXPECTED), v.maxValue(1, FRACTION_EXPECTED)),
  ],
  FRACTION_EXPECTED,
);

export function count(min: number, max: number) {
  const expected = `a whole number from ${min} to ${max}`;
  return v.pipe(
    v.number(expected),
    v.integer(expected),
    v.minValue(min, expected),
    v.maxValue(max, expected),
  );
}

/** A mapping with these keys only; every unknown key is a problem of its own. */
export function mapping<E extends v.ObjectEntries>(entries: E): v.StrictObjectSchema<E, string> {
  const object = v.object(entries, "a mapping");
  const unknownKey = v.never(`${KNOWN_KEYS}${Object.keys(entries).join(", ")}`);
  // To an object schema, a list is an object with the keys 0, 1 and so on.
  const list = v.custom<never>(() => false, "a mapping");
  const run: (typeof object)["~run"] = (dataset, config) => {
    const input: unknown = dataset.value;
    if (Array.isArray(input)) return list["~run"](dataset, config);
    const checked = object["~run"](dataset, config);
    if (!isRecord(input)) return checked;
    const unknown = Object.keys(input).filter((key) => !Object.hasOwn(entries, key));
    const issues = unknown.flatMap((key) => checkEntry(unknownKey, input, key, config).issues ?? []);
    return withIssues(checked, issues);
  };
  // The type of a strict object; but Valibot's own strictObject stops at the first unknown key.
  return {
    ...v.objectWithRest(entries, unknownKey, "a mapping"),
    "~run": run,
  } as unknown as v.StrictObjectSchema<E, string>;
}

/**
 * A mapping whose keys are names that people chose. Valibot's own schemas silently drop the keys `constructor`,
 * `prototype` and `__proto__`, of which the first two are valid service names.
 */
export function mappingOfNames<V extends v.GenericSchema>(value: V, expected: string) {
  const record = v.record(v.string(), value, expected);
  const run: (typeof record)["~run"] = (dataset, config) => {
    const input: unknown = dataset.value;
    if (!isRecord(input)) return record["~run"](dataset, config);
    const checked = Object.keys(input).map((key) => [key, checkEntry(value, input, key, config)] as const);
    const result = {
      typed: checked.every(([, { typed }]) => typed),
      // Unlike an assignment, `fromEntries` also creates an entry for `__proto__`.
      value: Object.fromEntries(checked.map(([key, entry]) => [key, entry.value])),
    };
    const issues = checked.flatMap(([, entry]) => entry.issues ?? []);
    return withIssues(result as ReturnType<(typeof record)["~run"]>, issues);
  };
  return { ...record, "~run": run };
}

type Issue = v.BaseIssue<unknown>;

/** Validates one entry of a mapping; the paths of its issues begin with the key. */
function checkEntry(
  schema: v.GenericSchema,
  input: Record<string, unknown>,
  key: string,
  config: v.Config<Issue>,
): v.OutputDataset<unknown, Issue> {
  const value = input[key];
  const result = schema["~run"]({ value }, config);
  const item = { type: "object", origin: "value", input, key, value } as const;
  const issues = result.issues?.map((issue) => ({ ...issue, path: [item, ...(issue.path ?? [])] }));
  return (issues === undefined ? result : { ...result, issues }) as v.OutputDataset<unknown, Issue>;
}

function withIssues<D extends v.OutputDataset<unknown, Issue>>(dataset: D, more: readonly Issue[]): D {
  return more.length === 0 ? dataset : { ...dataset, issues: [...(dataset.issues ?? []), ...more] };
}

/**
 * One of several forms. `pick` tells from the value which form is meant, so that the problems reported are those of that
 * form; `undefined` means none of them.
 */
export function oneOf<const O extends v.UnionOptions>(
  options: O,
  pick: (value: unknown) => O[number] | undefined,
  expected: string,
): v.UnionSchema<O, string> {
  const union = v.union(options, expected);
  return {
    ...union,
    "~run"(dataset, config) {
      return (pick(dataset.value) ?? union)["~run"](dataset, config);
    },
  } as v.UnionSchema<O, string>;
}

/** Either a plain value or a mapping. */
export function plainOrMapping<P extends v.GenericSchema, M extends v.GenericSchema>(
  plain: P,
  full: M,
  expected: string,
) {
  return oneOf([plain, full], (value) => (isRecord(value) ? full : undefined), expected);
}

type Quantity = v.GenericSchema<string | number, string>;

/** A distribution has exactly one of these keys. */
const SHAPES = ["fixed", "p50", "uniform", "normal", "lognormal", "exponential"] as const;

function shapesOf(quantity: Quantity, noun: string) {
  const spread = mapping({ mean: quantity, deviation: quantity });
  return {
    fixed: v.optional(quantity),
    p50: v.optional(quantity),
    p90: v.optional(quantity),
    p99: v.optional(quantity),
    uniform: v.optional(v.tuple([quantity, quantity], `a list of two ${noun}s: [minimum, maximum]`)),
    normal: v.optional(spread),
    lognormal: v.optional(spread),
    exponential: v.optional(v.pipe(quantity, v.description("Mean."))),
  };
}

/** A distribution as people write it, of durations or of sizes. */
export interface DistributionEntry {
  readonly fixed?: string | undefined;
  readonly p50?: string | undefined;
  readonly p90?: string | undefined;
  readonly p99?: string | undefined;
  readonly uniform?: readonly [string, string] | undefined;
  readonly normal?: SpreadEntry | undefined;
  readonly lognormal?: SpreadEntry | undefined;
  readonly exponential?: string | undefined;
}

interface SpreadEntry {
  readonly mean: string;
  readonly deviation: string;
}

function hasOneShape(entry: DistributionEntry): boolean {
  return SHAPES.filter((shape) => entry[shape] !== undefined).length === 1;
}

function hasOwnQuantiles({ p50, p90, p99 }: DistributionEntry): boolean {
  return p50 !== undefined || (p90 === undefined && p99 === undefined);
}

function areOrdered({ p50, p90, p99, uniform }: DistributionEntry, parse: Parse): boolean {
  return [[p50, p90, p99], uniform ?? []].every((texts) => {
    const given = texts.flatMap((text) => (text === undefined ? [] : [parse(text) ?? 0]));
    return given.every((value, index) => value >= (given[index - 1] ?? 0));
  });
}

type Parse = (text: string) => number | undefined;

function distributionOf<E extends v.ObjectEntries>(
  quantity: Quantity,
  parse: Parse,
  noun: "duration" | "size",
  extra: E,
) {
  const plural = noun === "size" ? "sizes" : "times";
  return v.pipe(
    mapping({ ...shapesOf(quantity, noun), ...extra }),
    v.check((entry) => hasOneShape(entry as DistributionEntry), `exactly one of ${SHAPES.join(", ")}`),
    v.check((entry) => hasOwnQuantiles(entry as DistributionEntry), "p90 and p99 only together with p50"),
    v.check(
      (entry) => areOrdered(entry as DistributionEntry, parse),
      `${plural} in order: p50 <= p90 <= p99, minimum <= maximum`,
    ),
  );
}

const TIME_EXPECTED = "a duration such as 2ms, or a distribution such as { p50, p90, p99 }";

/** A duration, or a distribution of durations. */
export const time = plainOrMapping(
  duration,
  distributionOf(duration, parseDuration, "duration", {}),
  TIME_EXPECTED,
);

/** Like {@link time}, but may apply to a share of the requests only. */
export const occasionalTime = plainOrMapping(
  duration,
  distributionOf(duration, parseDuration, "duration", {
    probability: v.optional(v.pipe(fraction, v.description("Share of requests to which it applies."))),
  }),
  TIME_EXPECTED,
);

/** A size, or a distribution of sizes, at most `maxBytes`. */
export function sizes(maxBytes: number, maxText: string) {
  const size = sizeUpTo(maxBytes, maxText);
  return plainOrMapping(
    size,
    distributionOf(size, parseSize, "size", {}),
    "a size such as 4KiB, or a distribution such as { p50, p90, p99 }",
  );
}
