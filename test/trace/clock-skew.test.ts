import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { summarizeTrace } from "../../src/contract/trace-summary.ts";
import { correctSkew } from "../../src/trace/clock-skew.ts";
import type { Span } from "../../src/trace/span.ts";
import { arrangeSpans } from "../../src/trace/span-tree.ts";
import { modelTrace } from "../../ui/trace/trace-model.ts";
import { hexId } from "../collector/spans.ts";
import messaging from "../fixtures/traces/clock-skew-messaging.json";

const START = 1_795_000_000_000_000;

type Host = `${string}@${string}`;

/** `host` is `service@ipv4` or `service@ipv4:port`; everything except the service may be empty. Times are relative to START. */
function span(
  id: number,
  parent: number | null,
  host: Host,
  kind: Span["kind"],
  from: number,
  to: number,
  more: Partial<Span> = {},
): Span {
  const [serviceName = "", address = ""] = host.split("@");
  const [ipv4, port] = address.split(":");
  return {
    traceId: hexId(1),
    id: hexId(id),
    ...(parent !== null && { parentId: hexId(parent) }),
    ...(kind && { kind }),
    timestamp: START + from,
    duration: to - from,
    localEndpoint: { serviceName, ...(ipv4 && { ipv4 }), ...(port && { port: Number(port) }) },
    ...more,
  };
}

/** The shift of each span, by span id. */
function shiftsOf(spans: readonly Span[]): Record<number, number> {
  const rows = arrangeSpans(spans);
  const { shifts } = correctSkew(rows);
  return Object.fromEntries(
    rows.map(({ span: { id } }, index) => [Number.parseInt(id, 16), shifts[index] as number]),
  );
}

const [SHOP, PAY, MAIL, DB] = ["shop@10.0.0.1", "pay@10.0.0.2", "mail@10.0.0.3", "db@10.0.0.4"] as const;
const LATE = 3_000_000;

/** shop calls pay for 5 ms; pay takes 3 ms, and its clock is `skew` off. */
function shopAndPay(skew: number): Span[] {
  return [
    span(1, null, SHOP, "SERVER", 0, 9000),
    span(2, 1, SHOP, "CLIENT", 1000, 6000),
    span(3, 2, PAY, "SERVER", 2000 + skew, 5000 + skew),
  ];
}

describe("a clock shift", () => {
  test("does not move a consumer with a correct clock, and list and trace show the same duration", () => {
    const spans = messaging as Span[];
    expect(modelTrace(spans).duration).toBe(20_500);
    expect([...modelTrace(spans).skews]).toEqual([["pay", 3_000_000]]);
    expect(shiftsOf(spans)).toEqual({ 1: 0, 2: 0, 3: 3_000_000, 4: 3_000_000, 5: 0 });
    expect(summarizeTrace(spans)).toMatchObject({ duration: 20_500, timestamp: 1_796_067_699_733_000 });
  });

  test.each([-LATE, LATE])("of %d µs moves everything that the instance recorded itself", (skew) => {
    const spans = [
      ...shopAndPay(skew),
      span(4, 3, PAY, undefined, 2100 + skew, 2200 + skew),
      span(5, 3, "pay@", "CLIENT", 2300 + skew, 4300 + skew),
      span(6, 5, DB, "SERVER", 2800, 3800),
      // This span is later and received by a message, but of the same instance.
      span(7, 1, PAY, "CONSUMER", 8000 + skew, 8500 + skew),
    ];
    expect(shiftsOf(spans)).toEqual({ 1: 0, 2: 0, 3: -skew, 4: -skew, 5: -skew, 6: 0, 7: -skew });
    expect(modelTrace(spans).duration).toBe(9000);
  });

  test("applies to only one of two instances of a service, whatever distinguishes them", () => {
    for (const [one, other] of [
      ["pay@10.0.0.2", "pay@10.0.0.5"],
      ["pay@127.0.0.1:81", "pay@127.0.0.1:82"],
      ["pay@10.0.0.2:81", "pay@10.0.0.2:82"],
    ] as const) {
      const spans = [
        span(1, null, SHOP, "SERVER", 0, 9000),
        span(2, 1, SHOP, "CLIENT", 1000, 3000),
        span(3, 2, one, "SERVER", 1500, 2500),
        span(4, 1, SHOP, "CLIENT", 4000, 6000),
        span(5, 4, other, "SERVER", 4500 - LATE, 5500 - LATE),
        span(6, 5, other, "PRODUCER", 4600 - LATE, 4700 - LATE),
      ];
      expect(shiftsOf(spans)).toEqual({ 1: 0, 2: 0, 3: 0, 4: 0, 5: LATE, 6: LATE });
      expect([...modelTrace(spans).skews]).toEqual([[`pay at ${other.split("@")[1]}`, LATE]]);
    }
    const pod = (name: string) => ({ tags: { "service.instance.id": name } });
    const pods = [
      span(1, null, "shop@", "SERVER", 0, 9000),
      span(2, 1, "shop@", "CLIENT", 1000, 3000),
      span(3, 2, "pay@", "SERVER", 1500, 2500, pod("a")),
      span(4, 1, "shop@", "CLIENT", 4000, 6000),
      span(5, 4, "pay@", "SERVER", 4500 + LATE, 5500 + LATE, pod("b")),
    ];
    expect(shiftsOf(pods)).toMatchObject({ 3: 0, 5: -LATE });
  });

  test("is the same for all calls of an instance", () => {
    const spans = [
      span(1, null, SHOP, "SERVER", 0, 9000),
      span(2, 1, SHOP, "CLIENT", 1000, 3000),
      // The first answer takes long and the second is fast: only one shift fits both.
      span(3, 2, PAY, "SERVER", 1100 - LATE, 1900 - LATE),
      span(4, 1, SHOP, "CLIENT", 4000, 5000),
      span(5, 4, PAY, "SERVER", 4010 - LATE, 4990 - LATE),
    ];
    expect(shiftsOf(spans)).toEqual({ 1: 0, 2: 0, 3: LATE, 4: 0, 5: LATE });
  });

  test("is not made if calls contradict each other", () => {
    const spans = [
      ...shopAndPay(-LATE),
      span(4, 1, SHOP, "CLIENT", 6500, 8500),
      span(5, 4, PAY, "SERVER", 7000, 8000),
    ];
    expect(Object.values(shiftsOf(spans)).every((shift) => shift === 0)).toBe(true);
  });

  test("of a consumer, which has no callers, is derived from its own calls", () => {
    const spans = [
      span(1, null, SHOP, "SERVER", 0, 9000),
      span(2, 1, SHOP, "CLIENT", 1000, 2000),
      span(3, 2, DB, "SERVER", 1200, 1800),
      span(4, 1, SHOP, "PRODUCER", 3000, 3100),
      span(5, 4, MAIL, "CONSUMER", 4000 - LATE, 6000 - LATE),
      span(6, 5, MAIL, "CLIENT", 4500 - LATE, 5500 - LATE),
      span(7, 6, DB, "SERVER", 4700, 5300),
    ];
    expect(shiftsOf(spans)).toEqual({ 1: 0, 2: 0, 3: 0, 4: 0, 5: LATE, 6: LATE, 7: 0 });
  });

  test("is not attributed to a caller if the callee's calls contradict each other", () => {
    const spans = [
      ...shopAndPay(0),
      span(4, 3, PAY, "CLIENT", 2100, 3100),
      span(5, 4, DB, "SERVER", 3200, 3300),
      span(6, 1, SHOP, "CLIENT", 6500, 6600),
      span(7, 6, DB, "SERVER", 6501, 6599),
    ];
    expect(Object.values(shiftsOf(spans)).every((shift) => shift === 0)).toBe(true);
  });

  test("is separate for each instance whose clock is off", () => {
    const spans = [
      ...shopAndPay(-LATE),
      span(4, 3, PAY, "CLIENT", 2500 - LATE, 4500 - LATE),
      span(5, 4, DB, "SERVER", 3000 + 5 * LATE, 4000 + 5 * LATE),
    ];
    expect(shiftsOf(spans)).toEqual({ 1: 0, 2: 0, 3: LATE, 4: LATE, 5: -5 * LATE });
    expect(modelTrace(spans).duration).toBe(9000);
  });

  test("is relative to the root's clock, even if that clock is wrong", () => {
    const spans = shopAndPay(0).map((one) =>
      one.localEndpoint?.serviceName === "shop" ? { ...one, timestamp: (one.timestamp ?? 0) - LATE } : one,
    );
    expect(shiftsOf(spans)).toEqual({ 1: 0, 2: 0, 3: -LATE });
  });

  test("may come from client and server that share a span id, marked or not and in any order", () => {
    for (const shared of [true, undefined]) {
      const spans = [
        span(1, null, SHOP, "CLIENT", 1000, 6000),
        span(1, null, PAY, "SERVER", 2000 - LATE, 5000 - LATE, shared ? { shared } : {}),
        span(2, 1, PAY, undefined, 2500 - LATE, 3000 - LATE),
      ];
      for (const order of [spans, spans.toReversed()]) {
        expect(modelTrace(order).rows.map(({ depth, shift }) => [depth, shift])).toEqual([
          [0, 0],
          [1, LATE],
          [2, LATE],
        ]);
        expect(summarizeTrace(order).duration).toBe(5000);
      }
    }
  });

  test("orders siblings by their corrected start, and self time counts what they cover together", () => {
    const spans = [
      span(1, null, SHOP, "SERVER", 0, 9000),
      span(2, 1, SHOP, "CLIENT", 1000, 2000),
      span(3, 1, PAY, undefined, 4000 - LATE, 5000 - LATE),
      span(4, 1, SHOP, "CLIENT", 6000, 8000),
      span(5, 4, PAY, "SERVER", 6500 - LATE, 7500 - LATE),
    ];
    const { rows } = modelTrace(spans);
    expect(rows.map((row) => Number.parseInt(row.span.id, 16))).toEqual([1, 2, 3, 4, 5]);
    expect(rows[0]?.selfTime).toBe(5000);
  });
});

describe("no clock shift is applied", () => {
  const isUnmoved = (...spans: Span[]) => {
    const root = span(1, null, SHOP, "SERVER", 0, 9000);
    expect(Object.values(shiftsOf([root, ...spans])).filter((shift) => shift !== 0)).toEqual([]);
    expect(summarizeTrace([root, ...spans]).duration).toBe(modelTrace([root, ...spans]).duration);
  };

  test("for a message that is received before, during or long after its sending", () => {
    for (const from of [-LATE, 2000, LATE])
      isUnmoved(
        span(2, 1, SHOP, "PRODUCER", 1000, 6000),
        span(3, 2, MAIL, "CONSUMER", from, from + 100),
        span(4, 3, DB, "SERVER", from - 50, from + 10),
      );
  });

  test("for a one-way call, in which one side has no duration", () => {
    const { duration: _, ...oneWay } = span(2, 1, SHOP, "CLIENT", 1000, 1001);
    isUnmoved(oneWay, span(3, 2, PAY, "SERVER", 500, 4000));
    const { duration: __, ...unfinished } = span(3, 2, PAY, "SERVER", 500, 501);
    isUnmoved(span(2, 1, SHOP, "CLIENT", 1000, 6000), unfinished);
  });

  test("for a server that ends after its client, or whose client gave up", () => {
    isUnmoved(span(2, 1, SHOP, "CLIENT", 1000, 2000), span(3, 2, PAY, "SERVER", 1500, 8000));
    isUnmoved(span(2, 1, SHOP, "CLIENT", 1000, 5000), span(3, 2, PAY, "SERVER", 4000, 6000));
    const gaveUp = { tags: { error: "timeout" } };
    isUnmoved(span(2, 1, SHOP, "CLIENT", 1000, 2000, gaveUp), span(3, 2, PAY, "SERVER", 2500, 2900));
  });

  test("for local children that start before their parent or outlive it, or for servers below servers", () => {
    isUnmoved(span(2, 1, SHOP, undefined, -500, 20_000), span(3, 1, PAY, undefined, -LATE, 5));
    isUnmoved(span(2, 1, PAY, "SERVER", -LATE, 5 - LATE), span(3, 1, DB, "SERVER", LATE, LATE + 5));
  });

  test("for calls within one instance or one host", () => {
    isUnmoved(span(2, 1, SHOP, "CLIENT", 1000, 2000), span(3, 2, SHOP, "SERVER", 500, 700));
    isUnmoved(span(2, 1, SHOP, "CLIENT", 1000, 2000), span(3, 2, "pay@10.0.0.1", "SERVER", 500, 700));
    isUnmoved(span(2, 1, "shop@", "CLIENT", 1000, 2000), span(3, 2, "shop@", "SERVER", 500, 700));
  });

  test("for 2 µs of rounding", () => {
    isUnmoved(span(2, 1, SHOP, "CLIENT", 1000, 2000), span(3, 2, PAY, "SERVER", 998, 2001));
  });
});

test("after correction of random call trees, every call fits and correct clocks have not moved", () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat(1 << 20)), fc.integer({ min: 2, max: 12 }), (random, hosts) => {
      const draw = (below: number) => (random.next().value as number) % below;
      // One clock in each trace is off by seconds, but not the root's, which is the reference.
      const wrong = 1 + draw(hosts - 1);
      const skew = (draw(2) === 0 ? -1 : 1) * (2_000_000 + draw(5_000_000));
      const spans: Span[] = [];
      const off = (host: number) => (host === wrong ? skew : 0);
      const serve = (host: number, parent: number | null, from: number, to: number) => {
        const name: Host = `s${host}@10.0.0.${host + 1}`;
        const id = spans.length + 1;
        spans.push(span(id, parent, name, "SERVER", from + off(host), to + off(host)));
        const calls = draw(3);
        const share = Math.floor((to - from) / (calls + 1));
        for (let call = 0; call < calls && share > 200 && spans.length < 60; call++) {
          const start = from + call * share + 1 + draw(20);
          const end = start + share - 30;
          const callee = draw(hosts);
          const client = spans.length + 1;
          spans.push(span(client, id, name, "CLIENT", start + off(host), end + off(host)));
          serve(callee, client, start + 1 + draw(30), end - 1 - draw(30));
        }
      };
      serve(0, null, 0, 1_000_000);
      const shifts = shiftsOf(spans);
      for (const one of spans) {
        const shift = shifts[Number.parseInt(one.id, 16)] as number;
        const isWrong = one.localEndpoint?.serviceName === `s${wrong}`;
        if (!isWrong) expect(shift).toBe(0);
        else expect(Math.abs(shift + skew)).toBeLessThanOrEqual(30);
      }
      expect(summarizeTrace(spans).duration).toBe(modelTrace(spans).duration);
      expect(modelTrace(spans).duration).toBe(1_000_000);
    }),
    { numRuns: 300 },
  );
});
