import { expect, test } from "bun:test";
import { KeptShares, parseKeptExpectation } from "../../../src/verify/judge/kept-shares.ts";

function keep(texts: readonly string[], statuses: readonly (readonly [status: number, isKept: boolean])[]) {
  const expectations = texts.map((text) => {
    const expectation = parseKeptExpectation(text);
    if (expectation === null) throw new Error(text);
    return expectation;
  });
  const shares = new KeptShares(expectations);
  for (const [sequence, [status, isKept]] of statuses.entries()) {
    const ledger = { count: 3, high: 0, low: 0, unknown: 0 };
    const record = { sequence, endMs: 0, status, ledger, isSampled: true, isBroken: false };
    shares.add({ ...record, latencyUs: 1000 + sequence * 10_000 }, isKept);
  }
  return shares;
}

const STATUSES = Array.from({ length: 100 }, (_, at) => [at < 10 ? 503 : 200, at < 20] as const);

test("a policy of all errors and a tenth of the rest is met by what it keeps", () => {
  const shares = keep(["100% of errors", "10% of the rest"], STATUSES);
  expect(shares.check().map(({ outcome }) => outcome)).toEqual(["met", "met"]);
  expect(shares.total).toEqual({ requests: 100, kept: 20 });
});

test("one error that was not kept breaks 100%, and chance does not excuse half for a tenth", () => {
  const lost = STATUSES.map(([status, isKept], at) => [status, at === 0 ? false : isKept] as const);
  expect(keep(["100% of errors"], lost).check()).toEqual([
    { expectation: "kept 100% of errors", outcome: "not-met", found: "9 of 10 kept, 90 %" },
  ]);
  expect(keep(["50% of the rest"], STATUSES).check()[0]?.outcome).toBe("not-met");
});

test("slow requests are told by the latency in the ledger", () => {
  expect(keep(["at most 0% over 500ms"], STATUSES).check()[0]?.found).toBe("0 of 50 kept, 0 %");
  expect(keep(["at least 100% over 2h"], STATUSES).check()[0]?.outcome).toBe("could-not-tell");
});

test.each(["", "100%", "110% of errors", "10% of some", "10 of all", "5% over fast"])(
  "%j is no share that can be expected",
  (text) => expect(parseKeptExpectation(text)).toBeNull(),
);
