import { describe, expect, test } from "bun:test";
import type { Platform } from "../../../src/contract/platform.ts";
import {
  checkExpectation,
  type Expectation,
  parseExpectation,
} from "../../../src/verify/judge/expectation.ts";
import { PlatformTally } from "../../../src/verify/judge/platform.ts";
import type { SeenSpan } from "../../../src/verify/judge/seen-span.ts";

describe("an expectation", () => {
  const parsed: readonly [text: string, Partial<Expectation>][] = [
    [
      "istio-proxy: 2 spans on every edge",
      { service: "istio-proxy", least: 2, most: 2, edge: null, share: 1 },
    ],
    ["gateway: 1 span at the entry in 100%", { service: "gateway", least: 1, most: 1, edge: ">", share: 1 }],
    [
      "Envoy: at least 1 span on A > B in 99.5 %",
      { service: "envoy", least: 1, edge: "a > b", share: 0.995 },
    ],
    ["x: at most 3 spans in cart", { least: 0, most: 3, edge: "in cart" }],
    ["x: 1 to 4 spans on every > edge", { least: 1, most: 4, edge: "every > edge" }],
    ["x: no spans on a > b", { least: 0, most: 0 }],
    ["go.opentelemetry.io/obi: 1 span on every edge", { service: "go.opentelemetry.io/obi" }],
    ["host:8080: 1 span at the entry", { service: "host:8080" }],
  ];
  for (const [text, expected] of parsed) {
    test(`is read: ${text}`, () => {
      expect(parseExpectation(text)).toMatchObject({ text, ...expected });
    });
  }

  const refused: readonly [text: string, at: number, expected: string][] = [
    ["", 1, "SERVICE:"],
    ["envoy 2 spans", 1, "SERVICE:"],
    [": 2 spans on every edge", 1, "SERVICE:"],
    ["envoy: two spans on every edge", 8, "a number"],
    ["envoy: 2 on every edge", 10, "'span' or 'spans'"],
    ["envoy: 2 spans", 15, "'on every edge'"],
    ["envoy: 2 spans on every", 24, "'>'"],
    ["envoy: 2 spans on a b", 21, "'>'"],
    ["envoy: 2 spans at entry", 19, "'at the entry'"],
    ["envoy: 3 to 2 spans on every edge", 13, "at least 3"],
    ["envoy: 2 spans on every edge in 120%", 33, "a share"],
    ["envoy: 2 spans on every edge in", 32, "a share"],
    ["envoy: 2 spans on every edge, please", 25, "'>'"],
    ["envoy: 2 spans on every edge in 5% now", 36, "nothing more"],
  ];
  for (const [text, at, expected] of refused) {
    test(`is refused at character ${at}: '${text}'`, () => {
      expect(() => parseExpectation(text)).toThrow(
        new RegExp(`expected .*${expected}.* at character ${at}$`),
      );
    });
  }
});

let made = 0;
function span(fields: Partial<SeenSpan>): SeenSpan {
  const id = (++made).toString(16).padStart(16, "0");
  const plain = {
    id,
    parentId: null,
    kind: "SERVER",
    serviceName: "a",
    remote: null,
    status: 200,
    attempt: 0,
  };
  return { ...plain, startUs: 0, endUs: 100, ...fields };
}

/** A request of `a`, which calls `b` twice, each call with this number of spans of an agent that reports as `b`. */
function platformOf(requests: readonly (readonly number[])[]): Platform {
  const tally = new PlatformTally();
  for (const counts of requests) {
    const root = span({});
    const calls = counts.map(() => span({ kind: "CLIENT", parentId: root.id, remote: "b" }));
    const agents = counts.flatMap((count, index) =>
      Array.from({ length: count }, (_, place) =>
        span({
          ...{ serviceName: "b", recorder: "ebpf", parentId: calls[index]?.id ?? null },
          ...{ startUs: 10 * place, endUs: 10 * place + 20 },
        }),
      ),
    );
    tally.add([root, ...calls], agents);
  }
  return tally.result();
}

describe("the spans that a platform recorded", () => {
  test("are counted by call, and time that several spans cover counts once", () => {
    const { rows, calls, tracesRead } = platformOf([[2, 2], [2, 0], [0, 0], [1]]);
    expect(tracesRead).toBe(4);
    expect(calls).toEqual({ "a > b": 7, "> a": 4, "in a": 4 });
    expect(rows).toEqual([
      {
        ...{ recorder: "ebpf", service: "b", place: "edge", edge: "a > b", spans: 7 },
        ...{ callsBySpans: { 0: 3, 1: 1, 2: 3 }, requestShare: 0.75, timeCovered: (3 * 30 + 20) / 400 },
      },
    ]);
  });

  const outcomes: readonly [text: string, outcome: string][] = [
    ["b: 2 spans on a > b", "met"],
    ["ebpf: 2 spans on every edge", "met"],
    ["ebpf: 1 span on every edge", "not-met"],
    ["ebpf: at least 1 span on a > b", "met"],
    ["ebpf: no spans at the entry", "met"],
    ["ebpf: 1 span at the entry in 0.1%", "not-met"],
    ["other: 1 span on a > b", "not-met"],
    ["ebpf: 1 span on b > c", "could-not-tell"],
  ];
  for (const [text, outcome] of outcomes) {
    test(`make '${text}' ${outcome} if each call has two spans`, () => {
      expect(checkExpectation(parseExpectation(text), platformOf([[2, 2], [2]])).outcome as string).toBe(
        outcome,
      );
    });
  }

  test("are compared with an expected share of the calls", () => {
    const platform = platformOf([[1], [1], [1], [0]]);
    const check = (share: string) =>
      checkExpectation(parseExpectation(`b: 1 span on a > b in ${share}`), platform);
    expect(check("75%").outcome).toBe("met");
    expect(check("76%")).toMatchObject({
      outcome: "not-met",
      found: "a > b: 0 spans in 25 %, 1 span in 75 %",
    });
  });
});
