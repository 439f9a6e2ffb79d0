import * as v from "valibot";
import { DURATION_PATTERN, parseDuration } from "../lib/duration.ts";
import { PERCENTAGE_PATTERN } from "../lib/percentage.ts";
import { SIZE_PATTERN } from "../lib/size.ts";
import { MAX_SERVICES } from "./model.ts";

/**
 * The topology document as people write it, before defaults. Also the source of `topology.schema.json`.
 * The message of each check says what was expected; the place and what was found are added by the parser.
 */

/** Begins the message of an unknown key; the keys that would do follow. */
export const KNOWN_KEYS = "one of ";

const duration = v.pipe(
  v.string("a duration such as 2ms, 300us or 1.5s"),
  v.regex(DURATION_PATTERN, "a duration such as 2ms, 300us or 1.5s"),
);
const size = v.pipe(
  v.string("a size such as 512B or 4KiB"),
  v.regex(SIZE_PATTERN, "a size such as 512B or 4KiB"),
);
const fractionExpected = "a percentage such as 0.5% or a number from 0 to 1";
const fraction = v.union(
  [
    v.pipe(v.string(fractionExpected), v.regex(PERCENTAGE_PATTERN, fractionExpected)),
    v.pipe(v.number(fractionExpected), v.minValue(0, fractionExpected), v.maxValue(1, fractionExpected)),
  ],
  fractionExpected,
);

/** A mapping with these keys and no others; every unknown key is a problem of its own. */
function mapping<E extends v.ObjectEntries>(entries: E): v.StrictObjectSchema<E, string> {
  const keys = Object.keys(entries).join(", ");
  const schema = v.pipe(
    v.objectWithRest(entries, v.never(`${KNOWN_KEYS}${keys}`), "a mapping"),
    // For an object schema a list without entries is an object, too.
    v.check((value) => !Array.isArray(value), "a mapping"),
  );
  // Accepts what a strict object accepts, but that one stops at the first unknown key.
  return schema as unknown as v.StrictObjectSchema<E, string>;
}

function count(min: number, max: number) {
  const expected = `a whole number from ${min} to ${max}`;
  return v.pipe(
    v.number(expected),
    v.integer(expected),
    v.minValue(min, expected),
    v.maxValue(max, expected),
  );
}

const spread = mapping({ mean: duration, deviation: duration });

/** The keys of which a latency has exactly one. */
const SHAPES = ["fixed", "p50", "uniform", "normal", "lognormal", "exponential"] as const;

const distribution = mapping({
  fixed: v.optional(duration),
  p50: v.optional(duration),
  p90: v.optional(duration),
  p99: v.optional(duration),
  uniform: v.optional(v.tuple([duration, duration], "a list of two durations: [least, most]")),
  normal: v.optional(spread),
  lognormal: v.optional(spread),
  exponential: v.optional(v.pipe(duration, v.description("The mean."))),
  probability: v.optional(v.pipe(fraction, v.description("Share of requests that wait at all."))),
});

type DistributionEntry = v.InferOutput<typeof distribution>;

function hasOneShape(entry: DistributionEntry): boolean {
  return SHAPES.filter((shape) => entry[shape] !== undefined).length === 1;
}

function hasOwnQuantiles({ p50, p90, p99 }: DistributionEntry): boolean {
  return p50 !== undefined || (p90 === undefined && p99 === undefined);
}

function areOrdered({ p50, p90, p99, uniform }: DistributionEntry): boolean {
  return [[p50, p90, p99], uniform ?? []].every((texts) => {
    const given = texts.flatMap((text) => (text === undefined ? [] : [parseDuration(text) ?? 0]));
    return given.every((ms, index) => ms >= (given[index - 1] ?? 0));
  });
}

const latency = v.union(
  [
    duration,
    v.pipe(
      distribution,
      v.check(hasOneShape, `exactly one of ${SHAPES.join(", ")}`),
      v.check(hasOwnQuantiles, "p90 and p99 beside p50"),
      v.check(areOrdered, "times in order: p50 <= p90 <= p99, least <= most"),
    ),
  ],
  "a duration such as 2ms, or a distribution such as { p50, p90, p99 }",
);

const errors = v.union(
  [fraction, mapping({ rate: fraction, status: v.optional(count(400, 599)) })],
  "a percentage such as 0.5% or { rate, status }",
);

const serviceName = v.string("the name of a service");

const call = v.union(
  [
    serviceName,
    mapping({
      service: serviceName,
      probability: v.optional(fraction),
      timeout: v.optional(duration),
      retries: v.optional(count(0, 100)),
    }),
  ],
  "the name of a service or { service, probability, timeout, retries }",
);

const step = v.union(
  [call, v.pipe(v.array(call), v.minLength(1, "at least one call"))],
  "a call, or a list of calls made at the same time",
);

const behaviour = {
  latency: v.optional(
    v.pipe(latency, v.description("Time before the calls are made: fixed, or drawn from a distribution.")),
  ),
  errors: v.optional(
    v.pipe(errors, v.description("Share of requests answered with an error status (500 unless given).")),
  ),
  cpu: v.optional(v.pipe(duration, v.description("Busy work on the processor for each request."))),
  response: v.optional(v.pipe(size, v.description("Size to which the answer is padded."))),
  replicas: v.optional(v.pipe(count(0, 1000), v.description("Pods of this service in Kubernetes."))),
};

export const serviceSchema = mapping({
  entry: v.optional(
    v.pipe(v.boolean("true or false"), v.description("Requests from outside go to this service.")),
  ),
  calls: v.optional(
    v.pipe(
      v.array(step, "a list of calls"),
      v.description("Calls in order; a nested list is made at the same time."),
    ),
  ),
  ...behaviour,
});

const header = {
  apiVersion: v.literal("chain-link.dev/v1", "chain-link.dev/v1"),
  kind: v.literal("Topology", "Topology"),
  metadata: v.optional(mapping({ name: v.optional(v.string("a name")) })),
  defaults: v.optional(
    v.pipe(
      mapping({ ...behaviour, timeout: v.optional(duration), retries: v.optional(count(0, 100)) }),
      v.description("For every service and call that does not say otherwise."),
    ),
  ),
};

const graphDocument = mapping({
  ...header,
  services: v.pipe(
    v.record(v.string(), v.nullable(serviceSchema), "a mapping of service names"),
    v.minEntries(1, "at least one service"),
  ),
});

const chainDocument = mapping({
  ...header,
  chain: v.pipe(count(1, MAX_SERVICES), v.description("This many services, each of which calls the next.")),
});

/** Checked in one pass; which of the two it is, is decided by the parser before, so that messages are precise. */
export const documentSchemas = { graph: graphDocument, chain: chainDocument } as const;

export const topologySchema = v.union([graphDocument, chainDocument]);

export type ServiceEntry = v.InferOutput<typeof serviceSchema>;
export type GraphDocument = v.InferOutput<typeof graphDocument>;
export type ChainDocument = v.InferOutput<typeof chainDocument>;
export type Defaults = NonNullable<GraphDocument["defaults"]>;
export type CallEntry = v.InferOutput<typeof call>;
