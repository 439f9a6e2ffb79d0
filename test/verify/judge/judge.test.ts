import { describe, expect, test } from "bun:test";
import { type Random, randomSource } from "../../../src/lib/random.ts";
import { buildChain } from "../../../src/topology/chain.ts";
import { parseTopology } from "../../../src/topology/parse.ts";
import type { Ledger } from "../../../src/trace/ledger.ts";
import { type CallGraph, GraphLearner, graphOf } from "../../../src/verify/judge/call-graph.ts";
import { ledgerOf } from "../../../src/verify/judge/digest.ts";
import { judgeTrace, type Knowledge } from "../../../src/verify/judge/judge.ts";
import type { SeenSpan } from "../../../src/verify/judge/seen-span.ts";
import { simulateTrace } from "./simulated-trace.ts";

/** A graph with fan-out, retries, errors, a service that two others call, and a call with a probability. */
const TREE = graphOf(
  parseTopology(
    `apiVersion: chain-link.dev/v1
kind: Topology
metadata: { name: shop }
services:
  frontend:
    entry: true
    calls: [catalog, [reviews, ads], { service: checkout, retries: 2 }]
  catalog: { calls: [store] }
  reviews: { calls: [{ service: store, retries: 1 }], errors: 10% }
  ads: { errors: 20% }
  checkout: { errors: { rate: 10%, status: 503 }, calls: [{ service: mail, probability: 50% }] }
  store: { errors: 5% }
  mail: {}
`,
    "tree",
    { slow: false },
  ),
);
const SURE = { error: 0, timeout: 0 };
const ROUNDS = Number(process.env.VERIFY_ROUNDS ?? 200);

function knowledgeOf(graph: CallGraph): Knowledge {
  return { graph, services: new Set(graph.services.keys()), foreign: new Set() };
}

const KNOWN = knowledgeOf(TREE);
const NOBODY: Knowledge = { graph: null, services: null, foreign: new Set() };

function recordOf(ledger: Ledger) {
  return { ledger, isSampled: true, isBroken: false };
}

function pick<T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random() * items.length)] as T;
}

function countBy(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

function eachRound(name: string, body: (random: Random) => void): void {
  for (let round = 0; round < ROUNDS; round++) {
    try {
      body(randomSource(`${name} ${round}`)("test"));
    } catch (error) {
      throw new Error(`round ${round}: ${error}`, { cause: error });
    }
  }
}

/** The first simulated trace whose spans match. */
function simulateUntil(graph: CallGraph, isWanted: (spans: readonly SeenSpan[]) => boolean) {
  for (let round = 0; round < 1000; round++) {
    const trace = simulateTrace(graph, randomSource(`until ${round}`)("test"), { error: 0.5, timeout: 0 });
    if (isWanted(trace.spans)) return trace;
  }
  throw new Error("no trace matches");
}

describe("a trace without faults", () => {
  test("is complete with errors, retries and random calls, whatever the order of its spans", () => {
    eachRound("whole", (random) => {
      const { spans, ledger } = simulateTrace(TREE, random, { error: 0.2, timeout: 0 });
      const shuffled = spans.toSorted(() => random() - 0.5);
      for (const knowledge of [KNOWN, NOBODY]) {
        const verdict = judgeTrace(recordOf(ledger), shuffled, knowledge);
        expect(verdict).toMatchObject({ class: "complete", certainty: "proved", missing: [], altered: [] });
      }
    });
  });

  test("is unknown if a call got no answer, and no span counts as missing", () => {
    let cut = 0;
    eachRound("cut", (random) => {
      const { spans, ledger } = simulateTrace(TREE, random, { error: 0.1, timeout: 0.1 });
      if (ledger.unknown === 0) return;
      cut++;
      const verdict = judgeTrace(recordOf(ledger), spans, KNOWN);
      expect(verdict).toMatchObject({ class: "unknown", missing: [], unattributed: 0, altered: [] });
    });
    expect(cut).toBeGreaterThan(ROUNDS / 5);
  });

  test("is unknown if requests were sent twice or answers had no ledger, and no span is unexpected", () => {
    let several = 0;
    eachRound("parts", (random) => {
      const chances = { error: 0.2, timeout: 0.03, stripped: 0.1, repeated: 0.15 };
      const { spans, ledger } = simulateTrace(TREE, random, chances);
      if (ledger.unknown === 0) return;
      if (ledger.unknown > 1) several++;
      for (const knowledge of [KNOWN, NOBODY]) {
        const verdict = judgeTrace(recordOf(ledger), spans, knowledge);
        expect(verdict).toMatchObject({ class: "unknown", missing: [], unexpected: [], altered: [] });
      }
    });
    expect(several).toBeGreaterThan(ROUNDS / 5);
  });

  test.each([200, 404, 500])(
    "with a call answered %d without a ledger has a broken context if the callee says so, and is otherwise unknown",
    (status) => {
      const graph = graphOf(buildChain(2));
      const { spans } = simulateTrace(graph, randomSource("x")("x"), SURE);
      const seen = spans
        .filter(({ serviceName }) => serviceName === graph.entry)
        .map((span) => (span.kind === "CLIENT" ? { ...span, status } : span));
      const ledger = { ...ledgerOf(seen), unknown: 1 };
      // A proxy before the callee may have answered by itself.
      const judge = (trace: readonly SeenSpan[]) => judgeTrace(recordOf(ledger), trace, knowledgeOf(graph));
      expect(judge(seen)).toMatchObject({ class: "unknown", missing: [], brokenEdges: [] });
      const said = seen.map((span) => (span.kind === "CLIENT" ? { ...span, isContextBroken: true } : span));
      expect(judge(said)).toMatchObject({ class: "broken-context", missing: [] });
    },
  );

  test("with a fault injected into a link has missing spans only on the calls that were made", () => {
    const topology = parseTopology(
      `apiVersion: chain-link.dev/v1
kind: Topology
metadata: { name: t }
services:
  a: { entry: true, calls: [{ service: b, probability: 50% }, { service: d, probability: 50% }] }
  b: {}
  d: {}
`,
      "t",
      { slow: false },
    );
    const disturbed = graphOf(topology, true);
    const { spans, ledger } = simulateUntil(
      disturbed,
      (all) => all.length === 3 && all[0]?.serviceName === "b" && all[0].status === 500,
    );
    const seen = spans.filter(({ parentId }) => parentId === null);
    const said = judgeTrace(recordOf(ledger), seen, knowledgeOf(disturbed));
    for (const { link, edge } of said.missing) expect([link, edge?.to]).not.toContain("d");
    expect(said.missing.length + said.unattributed).toBe(2);
  });

  test("is complete with foreign spans between its own", () => {
    const { spans } = simulateTrace(TREE, randomSource("x")("x"), SURE);
    const server = spans.find(({ kind, parentId }) => kind === "SERVER" && parentId !== null) as SeenSpan;
    const gateway = { ...server, id: "00000000000000aa", serviceName: "gateway" };
    const moved = spans.map((span) => (span === server ? { ...span, parentId: gateway.id } : span));
    const ledger = ledgerOf(moved);
    const verdict = judgeTrace(recordOf(ledger), [...moved, gateway], KNOWN);
    expect(verdict).toMatchObject({ class: "complete", foreign: 1, orphans: [] });
    // The gateway's own span went to another backend: none of our spans is missing, but one has no parent.
    expect(judgeTrace(recordOf(ledger), moved, KNOWN)).toMatchObject({ class: "orphaned", missing: [] });
  });
});

describe("lost spans", () => {
  test("are attributed to link and kind if only one explanation fits; no other span is accused", () => {
    let exact = 0;
    let total = 0;
    eachRound("lost", (random) => {
      const { spans, ledger } = simulateTrace(TREE, random, { error: 0.1, timeout: 0 });
      const lost = new Set<SeenSpan>();
      const wanted = Math.min(1 + Math.floor(random() * 3), spans.length);
      while (lost.size < wanted) lost.add(pick(spans, random));
      const seen = spans.filter((span) => !lost.has(span));
      const verdict = judgeTrace(recordOf(ledger), seen, KNOWN);
      expect(verdict.class).toBe(seen.length === 0 ? "not-found" : "partial");
      expect(verdict.missing.length + verdict.unattributed).toBe(lost.size);
      const truth = countBy([...lost].map(({ kind, serviceName }) => `${kind} ${serviceName}`));
      const said = countBy(verdict.missing.map(({ kind, link }) => `${kind} ${link}`));
      for (const [key, count] of said) {
        expect(`${key} ${Math.min(count, truth.get(key) ?? 0)}`).toBe(`${key} ${count}`);
      }
      for (const { id } of verdict.missing) {
        if (id !== null) expect([...lost].map((span) => span.id)).toContain(id);
      }
      total += lost.size;
      exact += verdict.missing.length;
    });
    expect(exact / total).toBeGreaterThan(0.95);
  });

  test("are all attributed in a chain without random calls", () => {
    const graph = graphOf(buildChain(8));
    eachRound("sure", (random) => {
      const { spans, ledger } = simulateTrace(graph, random, SURE);
      const lost = new Set(spans.filter(() => random() < 0.2));
      const seen = spans.filter((span) => !lost.has(span));
      const verdict = judgeTrace(recordOf(ledger), seen, knowledgeOf(graph));
      expect(verdict.missing).toHaveLength(lost.size);
      expect(verdict.unattributed).toBe(0);
    });
  });

  test("are all counted if the whole trace of a chain of 1,000 is missing", () => {
    const graph = graphOf(buildChain(1000));
    const { ledger } = simulateTrace(graph, randomSource("long")("x"), SURE);
    const verdict = judgeTrace(recordOf(ledger), [], knowledgeOf(graph));
    expect(verdict.class).toBe("not-found");
    expect(verdict.missing.length + verdict.unattributed).toBe(1999);
  });

  test("are attributed with a graph learned from complete traces", () => {
    const learner = new GraphLearner();
    const random = randomSource("learn")("x");
    const graph = graphOf(buildChain(5));
    learner.add(simulateTrace(graph, random, SURE).spans);
    const { spans, ledger } = simulateTrace(graph, random, SURE);
    const leaf = spans.find(({ kind, serviceName }) => kind === "SERVER" && serviceName.endsWith("4"));
    const seen = spans.filter((span) => span !== leaf);
    const knowledge = { ...NOBODY, graph: learner.graph() };
    const verdict = judgeTrace(recordOf(ledger), seen, knowledge);
    expect(verdict.missing.map(({ link, kind }) => [link, kind])).toEqual([
      ["chain-link-service-4", "SERVER"],
    ]);
    expect(judgeTrace(recordOf(ledger), seen, NOBODY)).toMatchObject({ class: "partial", unattributed: 1 });
  });

  test("of a callee that is called twice are not attributed to another callee", () => {
    const graph = graphOf(
      parseTopology(
        `apiVersion: chain-link.dev/v1
kind: Topology
metadata: { name: t }
services:
  a: { entry: true, calls: [[b, b], { service: c, probability: 50% }] }
  b: {}
  c: {}
`,
        "t",
        { slow: false },
      ),
    );
    const learner = new GraphLearner();
    const random = randomSource("twice")("x");
    for (let round = 0; round < 50; round++) learner.add(simulateTrace(graph, random, SURE).spans);
    const knowledge = { ...NOBODY, graph: learner.graph() };
    let named = 0;
    for (let round = 0; round < 50; round++) {
      const { spans, ledger } = simulateTrace(graph, random, SURE);
      const call = spans.find(({ remote }) => remote === "b") as SeenSpan;
      const seen = spans.filter((span) => span !== call && span.parentId !== call.id);
      const verdict = judgeTrace(recordOf(ledger), seen, knowledge);
      expect(verdict.missing.length + verdict.unattributed).toBe(2);
      for (const { edge } of verdict.missing) expect(edge?.to).toBe("b");
      named += verdict.missing.length;
    }
    expect(named).toBeGreaterThan(20);
  });
});

describe("altered spans", () => {
  type Alter = (span: SeenSpan, others: readonly SeenSpan[], random: Random) => SeenSpan;
  const alterations: Readonly<Record<string, Alter>> = {
    parent: (span, others, random) => ({
      ...span,
      parentId: random() < 0.5 ? "00000000000000ff" : pick(others, random).id,
    }),
    kind: (span) => ({ ...span, kind: span.kind === "SERVER" ? "CLIENT" : "SERVER" }),
    service: (span, _, random) => ({
      ...span,
      serviceName: random() < 0.5 ? "somebody-else" : span.serviceName === "store" ? "ads" : "store",
    }),
  };
  for (const [field, alter] of Object.entries(alterations)) {
    for (const count of [1, 2]) {
      test(`are all found with their former ${field}: ${count} of a trace`, () => {
        eachRound(`${field} ${count}`, (random) => {
          const { spans, ledger } = simulateTrace(TREE, random, { error: 0.1, timeout: 0 });
          const chosen = new Set<SeenSpan>();
          while (chosen.size < Math.min(count, spans.length)) chosen.add(pick(spans, random));
          const others = spans.filter((span) => !chosen.has(span));
          if (others.length === 0) return;
          const seen = spans.map((span) => (chosen.has(span) ? alter(span, others, random) : span));
          const truth = spans.filter((span, index) => {
            const { parentId, kind, serviceName } = seen[index] ?? span;
            return parentId !== span.parentId || kind !== span.kind || serviceName !== span.serviceName;
          });
          if (truth.length === 0) return;
          const verdict = judgeTrace(recordOf(ledger), seen, KNOWN);
          expect(verdict.class).toBe(field === "parent" ? "wrong-parent" : "wrong-service");
          expect(verdict.certainty).toBe("proved");
          expect(verdict.missing).toEqual([]);
          const was = (span: SeenSpan) =>
            ({ parent: span.parentId, kind: span.kind ?? null, service: span.serviceName })[field] ?? null;
          expect(verdict.altered.map((it) => `${it.span.id} ${it.was}`).sort()).toEqual(
            truth.map((span) => `${span.id} ${was(span)}`).sort(),
          );
        });
      });
    }
  }
});

describe("the other classes", () => {
  const { spans, ledger } = simulateTrace(TREE, randomSource("other")("x"), SURE);
  const [one] = spans as [SeenSpan];
  const call = spans.find(({ kind, remote }) => kind === "CLIENT" && remote === "ads") as SeenSpan;
  const withoutAds = spans.filter(({ parentId }) => parentId !== call.id);

  test("a trace with equal copies of a span is duplicated", () => {
    const verdict = judgeTrace(recordOf(ledger), [...spans, one], KNOWN);
    expect(verdict).toMatchObject({ class: "duplicated", copies: [one], missing: [] });
  });

  test("a trace with a span and its altered copy is duplicated, because the digest shows which one was recorded", () => {
    const wrong = { ...one, parentId: "00000000000000ff" };
    const verdict = judgeTrace(recordOf(ledger), [wrong, ...spans], KNOWN);
    expect(verdict).toMatchObject({ class: "duplicated", certainty: "proved", missing: [] });
  });

  test("a span of a link that is in no ledger is unexpected, and the others are proved", () => {
    const extra = { ...one, id: "00000000000000ee", parentId: one.id };
    const verdict = judgeTrace(recordOf(ledger), [...spans, extra], KNOWN);
    expect(verdict).toMatchObject({ class: "unexpected", certainty: "proved", unexpected: [extra] });
  });

  test("a callee that says it began another trace has broken the context on its edge", () => {
    const said = withoutAds.map((span) =>
      span.kind === "CLIENT" && span.remote === "ads" ? { ...span, isContextBroken: true } : span,
    );
    const verdict = judgeTrace(recordOf({ ...ledgerOf(said), unknown: 1 }), said, KNOWN);
    const brokenEdges = [{ from: "frontend", to: "ads" }];
    expect(verdict).toMatchObject({ class: "broken-context", brokenEdges });
  });

  test("an entry that began a trace of its own has broken the context on the first edge", () => {
    const brokenEdges = [{ from: null, to: "frontend" }];
    expect(judgeTrace({ ledger, isSampled: true, isBroken: true }, [], KNOWN)).toMatchObject({
      class: "broken-context",
      brokenEdges,
    });
  });

  test("a trace without a ledger is unknown", () => {
    expect(judgeTrace({ ledger: null, isSampled: true, isBroken: false }, spans, KNOWN).class).toBe(
      "unknown",
    );
  });

  test("a link that ignored a positive sampling decision is named, and no span counts as missing", () => {
    const verdict = judgeTrace(recordOf(ledgerOf(withoutAds)), withoutAds, KNOWN);
    expect(verdict).toMatchObject({ class: "complete", samplingIgnoredBy: ["ads"] });
  });

  test("an entry that ignored a positive sampling decision is named, and the trace is not sampled", () => {
    const verdict = judgeTrace(recordOf(ledgerOf([])), [], KNOWN);
    expect(verdict).toMatchObject({ class: "not-sampled", samplingIgnoredBy: ["frontend"] });
  });

  test("a link that ignored a negative sampling decision is named", () => {
    const ads = spans.filter(({ serviceName, kind }) => serviceName === "ads" && kind === "SERVER");
    const verdict = judgeTrace({ ledger: ledgerOf(ads), isSampled: false, isBroken: false }, ads, KNOWN);
    expect(verdict).toMatchObject({ class: "complete", samplingIgnoredBy: ["ads"] });
  });

  test("an unsampled request without spans is not sampled", () => {
    const none = { count: 0, high: 0, low: 0, unknown: 0 };
    expect(judgeTrace({ ledger: none, isSampled: false, isBroken: false }, [], KNOWN).class).toBe(
      "not-sampled",
    );
  });
});

describe("a link that wrongly recorded itself as the root", () => {
  /** The spans if `service` received a parent id that only a load generator sends. */
  function cutOff(service: string, graph: CallGraph) {
    const { spans } = simulateTrace(graph, randomSource("root")("test"), SURE);
    const changed = spans.map((span) =>
      span.serviceName === service && span.kind === "SERVER" ? { ...span, parentId: null } : span,
    );
    return { spans: changed, ledger: ledgerOf(changed) };
  }

  const CHAIN = graphOf(buildChain(3));
  const [first = "", second = "", third = ""] = [...CHAIN.services.keys()];

  test("makes the trace wrong-parent on its edge, although its ledger matches its spans", () => {
    for (const [from, to] of [
      [first, second],
      [second, third],
    ] as const) {
      const { spans, ledger } = cutOff(to, CHAIN);
      const verdict = judgeTrace(recordOf(ledger), spans, knowledgeOf(CHAIN));
      expect(verdict).toMatchObject({ class: "wrong-parent", certainty: "proved", samplingIgnoredBy: [] });
      const call = spans.find(({ kind, serviceName }) => kind === "CLIENT" && serviceName === from);
      expect(verdict.altered).toMatchObject([{ field: "parent", was: call?.id, is: null }]);
      expect(verdict.brokenEdges).toEqual([{ from, to }]);
    }
  });

  test("is found without a graph, too, because the first span of the trace is its root", () => {
    const { spans, ledger } = cutOff(third, CHAIN);
    const verdict = judgeTrace(recordOf(ledger), spans, NOBODY);
    expect(verdict.class).toBe("wrong-parent");
    expect(verdict.altered.map(({ span }) => span.serviceName)).toEqual([third]);
  });
});

describe("a trace with the recorded number of spans, but not the recorded ones,", () => {
  const CHAIN = graphOf(buildChain(5));
  const whole = () => simulateTrace(CHAIN, randomSource("other")("test"), SURE);
  const renamed = (span: SeenSpan): SeenSpan => ({
    ...span,
    id: span.id.replace(/^./, (digit) => (digit === "0" ? "1" : "0")),
  });

  test.each(["SERVER", "CLIENT"] as const)("is altered if one %s span has another id", (kind) => {
    const { spans, ledger } = whole();
    const at = spans.findIndex((span) => span.kind === kind && span.parentId !== null);
    const verdict = judgeTrace(
      recordOf(ledger),
      spans.with(at, renamed(spans[at] as SeenSpan)),
      knowledgeOf(CHAIN),
    );
    expect(verdict).toMatchObject({ class: "altered", missing: [], unattributed: 0 });
  });

  test("is altered if a span of another trace replaces one of its own", () => {
    const { spans, ledger } = whole();
    const other = simulateTrace(CHAIN, randomSource("another")("test"), SURE).spans;
    for (let at = 1; at < spans.length; at++) {
      const verdict = judgeTrace(recordOf(ledger), spans.with(at, other[at] as SeenSpan), knowledgeOf(CHAIN));
      expect(verdict.class).toBe("altered");
    }
  });

  test("is altered if too many spans have another parent to tell which ones", () => {
    const { spans, ledger } = whole();
    const changed = spans.map((span, at) =>
      at > 0 && at < 6 ? { ...span, parentId: spans.at(-at)?.id ?? null } : span,
    );
    expect(judgeTrace(recordOf(ledger), changed, knowledgeOf(CHAIN)).class).toBe("altered");
  });
});
