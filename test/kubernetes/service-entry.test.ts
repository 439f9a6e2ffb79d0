import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { renderServiceEntry } from "../../src/kubernetes/service-entry.ts";
import {
  type Call,
  type Distribution,
  type ErrorRule,
  type Latency,
  MAX_REQUEST_BYTES,
  MAX_RESPONSE_BYTES,
  PLAIN_BEHAVIOUR,
  PLAIN_CALL,
  type Service,
  type Sleep,
} from "../../src/topology/model.ts";
import { parseService } from "../../src/topology/parse.ts";

/** From parts of a nanosecond to days, as a document could say them. */
const ms = fc.oneof(
  fc.constantFrom(0, 1e-9, 5e-7, 1e-6, 0.1 + 0.2, 0.3, 300, 1500, 86_400_000),
  fc.double({ min: 0, max: 1e9, noNaN: true }).filter((value) => value === 0 || value > 1e-20),
);
const positiveMs = ms.map((value) => value || 1);
const fraction = fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0);
const name = fc.stringMatching(/^[a-z](?:[-a-z0-9]{0,10}[a-z0-9])?$/);

/** Of times or of sizes. */
function distributionOf(amount: fc.Arbitrary<number>): fc.Arbitrary<Distribution> {
  const spread = { mean: amount, deviation: amount };
  return fc.oneof(
    fc.record({ kind: fc.constant("fixed" as const), value: amount }),
    fc.record({ kind: fc.constant("normal" as const), ...spread }),
    fc.record({ kind: fc.constant("lognormal" as const), ...spread }),
    fc.record({ kind: fc.constant("exponential" as const), mean: amount }),
    fc.tuple(amount, amount).map((pair) => {
      const [min = 0, max = 0] = pair.sort((a, b) => a - b);
      return { kind: "uniform" as const, min, max };
    }),
    fc
      .tuple(fc.array(amount, { minLength: 3, maxLength: 3 }), fc.boolean(), fc.boolean())
      .map(([amounts, hasP90, hasP99]) => {
        const [p50 = 0, p90 = 0, p99 = 0] = amounts.sort((a, b) => a - b);
        return { kind: "quantiles" as const, p50, p90: hasP90 ? p90 : null, p99: hasP99 ? p99 : null };
      }),
  );
}

const times = distributionOf(ms);
const occasional: fc.Arbitrary<Latency> = fc
  .tuple(times, fc.oneof(fc.constant(1), fraction))
  .map(([shape, probability]) => ({ ...shape, probability }));
const status = fc.integer({ min: 400, max: 599 });
const faultBase = {
  rate: fc.double({ min: 0, max: 0.3, noNaN: true }).map((value) => value + 0),
  after: fc.option(times),
};
const fault: fc.Arbitrary<ErrorRule> = fc.oneof(
  fc.record({ ...faultBase, kind: fc.constant("status" as const), status }),
  fc.record({ ...faultBase, kind: fc.constantFrom("reset" as const, "silence" as const) }),
);
const condition = fc.oneof(
  fc.constantFrom("5xx" as const, "timeout" as const, "disconnect" as const),
  status,
);
const call: fc.Arbitrary<Call> = fc.record({
  service: name,
  probability: fc.oneof(fc.constant(1), fraction),
  timeoutMs: positiveMs,
  retries: fc.integer({ min: 0, max: 100 }),
  retry: fc.record({
    on: fc.array(condition, { minLength: 1, maxLength: 4 }),
    backoffMs: ms,
    budget: fc.option(fc.record({ ratio: fraction, minPerSecond: fc.nat({ max: 1_000_000 }) })),
  }),
  request: fc.option(distributionOf(fc.nat({ max: MAX_REQUEST_BYTES }))),
});
const action: fc.Arbitrary<Call | Sleep> = fc.oneof(call, fc.record({ sleep: times }));
const service: fc.Arbitrary<Service> = fc.record({
  name,
  replicas: fc.integer({ min: 0, max: 1000 }),
  behavior: fc.record({
    latency: fc.option(occasional),
    cpu: fc.option(occasional),
    errors: fc.array(fault, { maxLength: 3 }),
    response: fc.option(distributionOf(fc.nat({ max: MAX_RESPONSE_BYTES }))),
    memory: fc.record({ heldBytes: fc.nat({ max: 2 ** 36 }), requestBytes: fc.nat({ max: 2 ** 30 }) }),
    concurrency: fc.option(
      fc.record({
        limit: fc.integer({ min: 1, max: 1_000_000 }),
        queue: fc.nat({ max: 1_000_000 }),
        waitMs: fc.option(ms),
      }),
    ),
    rateLimit: fc.option(
      fc.record({
        perSecond: fc.double({ min: 1e-6, max: 1_000_000, noNaN: true }),
        burst: fc.integer({ min: 1, max: 1_000_000 }),
        status,
      }),
    ),
    startupMs: ms,
    slowStart: fc.option(
      fc.record({ durationMs: ms, factor: fc.double({ min: 1, max: 1000, noNaN: true }) }),
    ),
    slow: fc.constant(null),
  }),
  steps: fc.array(fc.array(action, { minLength: 1, maxLength: 4 }), { maxLength: 4 }),
});

describe("a rendered service entry", () => {
  test("is read back by the topology parser as an equal service", () => {
    fc.assert(
      fc.property(service, (given) => {
        expect(parseService(renderServiceEntry(given), given.name, "entry")).toEqual(given);
      }),
      { numRuns: 1000 },
    );
  });

  test("omits defaults, but never a timeout", () => {
    const plain: Service = {
      name: "a",
      replicas: 1,
      behavior: PLAIN_BEHAVIOUR,
      steps: [[{ ...PLAIN_CALL, service: "b", timeoutMs: 3000 }]],
    };
    expect(renderServiceEntry(plain)).toBe('{"calls":[{"service":"b","timeout":"3000ms"}]}');
    expect(renderServiceEntry({ ...plain, steps: [] })).toBe("{}");
  });
});
