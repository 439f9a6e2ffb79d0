import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { renderServiceEntry } from "../../src/kubernetes/service-entry.ts";
import { type Distribution, type Latency, PLAIN_BEHAVIOUR, type Service } from "../../src/topology/model.ts";
import { parseService } from "../../src/topology/parse.ts";

/** From parts of a nanosecond to days, as a document could say them. */
const ms = fc.oneof(
  fc.constantFrom(0, 1e-9, 5e-7, 1e-6, 0.1 + 0.2, 0.3, 300, 1500, 86_400_000),
  fc.double({ min: 0, max: 1e9, noNaN: true }).filter((value) => value === 0 || value > 1e-20),
);
const positiveMs = ms.map((value) => value || 1);
const fraction = fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0);
const name = fc.stringMatching(/^[a-z](?:[-a-z0-9]{0,10}[a-z0-9])?$/);

const spread = { meanMs: ms, deviationMs: ms };
const distribution: fc.Arbitrary<Distribution> = fc.oneof(
  fc.record({ kind: fc.constant("fixed" as const), ms }),
  fc.record({ kind: fc.constant("normal" as const), ...spread }),
  fc.record({ kind: fc.constant("lognormal" as const), ...spread }),
  fc.record({ kind: fc.constant("exponential" as const), meanMs: ms }),
  fc.tuple(ms, ms).map((times) => {
    const [minMs = 0, maxMs = 0] = times.sort((a, b) => a - b);
    return { kind: "uniform" as const, minMs, maxMs };
  }),
  fc
    .tuple(fc.array(ms, { minLength: 3, maxLength: 3 }), fc.boolean(), fc.boolean())
    .map(([times, hasP90, hasP99]) => {
      const [p50Ms = 0, p90Ms = 0, p99Ms = 0] = times.sort((a, b) => a - b);
      return {
        kind: "quantiles" as const,
        p50Ms,
        p90Ms: hasP90 ? p90Ms : null,
        p99Ms: hasP99 ? p99Ms : null,
      };
    }),
);
const latency: fc.Arbitrary<Latency> = fc
  .tuple(distribution, fc.oneof(fc.constant(1), fraction))
  .map(([shape, probability]) => ({ ...shape, probability }));
const call = fc.record({
  service: name,
  probability: fc.oneof(fc.constant(1), fraction),
  timeoutMs: positiveMs,
  retries: fc.integer({ min: 0, max: 100 }),
});
const service: fc.Arbitrary<Service> = fc.record({
  name,
  replicas: fc.integer({ min: 0, max: 1000 }),
  behaviour: fc.record({
    latency: fc.option(latency),
    errors: fc.option(fc.record({ rate: fraction, status: fc.integer({ min: 400, max: 599 }) })),
    cpuMs: ms,
    responseBytes: fc.nat({ max: 2 ** 40 }),
    slow: fc.constant(null),
  }),
  steps: fc.array(fc.array(call, { minLength: 1, maxLength: 4 }), { maxLength: 4 }),
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

  test("leaves out what is at its default, but never a time-out", () => {
    const plain: Service = {
      name: "a",
      replicas: 1,
      behaviour: PLAIN_BEHAVIOUR,
      steps: [[{ service: "b", probability: 1, timeoutMs: 3000, retries: 0 }]],
    };
    expect(renderServiceEntry(plain)).toBe('{"calls":[{"service":"b","timeout":"3000ms"}]}');
    expect(renderServiceEntry({ ...plain, steps: [] })).toBe("{}");
  });
});
