import { expect, test } from "bun:test";
import { type Random, randomSource } from "../../../src/lib/random.ts";
import { parseTopology } from "../../../src/topology/parse.ts";
import { type CallGraph, GraphLearner, graphOf } from "../../../src/verify/judge/call-graph.ts";
import { judgeTrace, type Knowledge } from "../../../src/verify/judge/judge.ts";
import type { SeenSpan } from "../../../src/verify/judge/seen-span.ts";
import type { Verdict } from "../../../src/verify/judge/verdict.ts";
import { simulateTrace } from "./simulated-trace.ts";

/** Raise it for a longer proof: `VERIFY_FAULT_ROUNDS=100000`. */
const ROUNDS = Number(process.env.VERIFY_FAULT_ROUNDS ?? 2000);

const GRAPH = graphOf(
  parseTopology(
    `apiVersion: chain-link.dev/v1
kind: Topology
metadata: { name: shop }
services:
  front: { entry: true, calls: [catalog, [reviews, ads], { service: checkout, retries: 2 }] }
  catalog: { calls: [store] }
  reviews: { calls: [{ service: store, retries: 1 }], errors: 10% }
  ads: { errors: 20% }
  checkout: { errors: { rate: 10%, status: 503 }, calls: [{ service: mail, probability: 50% }] }
  store: { errors: 5% }
  mail: {}
`,
    "shop",
    { slow: false },
  ),
);

/** The faults that a trace suffered between its links and the judge. */
interface Damage {
  readonly seen: SeenSpan[];
  readonly lost: ReadonlySet<SeenSpan>;
  /** The recorded span, with its altered form. */
  readonly altered: ReadonlyMap<SeenSpan, SeenSpan>;
  readonly copies: number;
}

function damage(spans: readonly SeenSpan[], random: Random): Damage {
  const lost = new Set<SeenSpan>();
  const altered = new Map<SeenSpan, SeenSpan>();
  const seen: SeenSpan[] = [];
  let copies = 0;
  // Traces of all kinds: complete ones, some with one fault, some with many.
  const chance = [0, 0.02, 0.1, 0.4][Math.floor(random() * 4)] as number;
  const kinds = 1 + Math.floor(random() * 7);
  for (const span of spans) {
    const fault = random() < chance ? Math.floor(random() * 3) : -1;
    if (fault === 0 && (kinds & 1) !== 0) lost.add(span);
    else if (fault === 1 && (kinds & 2) !== 0) {
      const changed = alter(span, spans, random);
      if (
        changed.parentId !== span.parentId ||
        changed.kind !== span.kind ||
        changed.serviceName !== span.serviceName
      )
        altered.set(span, changed);
      seen.push(changed);
    } else if (fault === 2 && (kinds & 4) !== 0) {
      copies++;
      seen.push(span, span);
    } else seen.push(span);
  }
  return { seen: seen.toSorted(() => random() - 0.5), lost, altered, copies };
}

function alter(span: SeenSpan, others: readonly SeenSpan[], random: Random): SeenSpan {
  const other = others[Math.floor(random() * others.length)] as SeenSpan;
  switch (Math.floor(random() * 4)) {
    case 0:
      return { ...span, parentId: "00000000000000ff" };
    case 1:
      return { ...span, parentId: other === span ? span.parentId : other.id };
    case 2:
      return { ...span, kind: span.kind === "SERVER" ? "CLIENT" : "SERVER" };
    default:
      return { ...span, serviceName: random() < 0.5 ? "somebody-else" : other.serviceName };
  }
}

function learned(): CallGraph | null {
  const learner = new GraphLearner();
  const random = randomSource("learn")("x");
  for (let count = 0; count < 500; count++) {
    learner.add(simulateTrace(GRAPH, random, { error: 0.1, timeout: 0 }).spans);
  }
  return learner.graph();
}

const GIVEN: Knowledge = { graph: GRAPH, services: new Set(GRAPH.services.keys()), foreign: new Set() };
const KNOWLEDGE: Readonly<Record<string, Knowledge>> = {
  "the topology": GIVEN,
  "a learned graph": { graph: learned(), services: null, foreign: new Set() },
  nothing: { graph: null, services: null, foreign: new Set() },
};

function check(
  verdict: Verdict,
  { lost, altered }: Damage,
  spans: readonly SeenSpan[],
  isCut: boolean,
  isGiven: boolean,
): void {
  const isHurt = lost.size + altered.size > 0;
  const isGood = ["complete", "duplicated"].includes(verdict.class);
  // The verdict is never a false "complete" …
  if (isGood && !isCut) expect(isHurt).toBe(false);
  // … and no link is accused without a fault.
  if (!isHurt) {
    expect(verdict).toMatchObject({ missing: [], unattributed: 0, altered: [], unexpected: [] });
    expect(isGood).toBe(!isCut);
  }
  // Without a digest or a topology, lost spans beside altered ones may look like other lost spans; without a digest, an
  // altered parent may look like the id of a lost span.
  const isMixed = lost.size > 0 && altered.size > 0 && verdict.certainty !== "proved";
  if (isMixed && !isGiven) return;
  // A span reported as missing did not arrive as it was recorded.
  const gone = [...lost, ...altered.keys()];
  expect(verdict.missing.length + verdict.unattributed).toBeLessThanOrEqual(gone.length);
  for (const { id, link, kind } of verdict.missing) {
    if (id !== null && !isMixed) {
      const real = gone.find((span) => span.id === id);
      expect(`${id} ${real?.kind}`).toBe(`${id} ${kind}`);
    } else if (link !== null) {
      const said = verdict.missing.filter((it) => it.link === link && it.kind === kind).length;
      const real = gone.filter((span) => span.serviceName === link && span.kind === kind).length;
      expect(`${kind} ${link} ${Math.min(said, real)}`).toBe(`${kind} ${link} ${said}`);
    }
  }
  // A span reported as altered was altered, and had the reported value before.
  for (const { span, field, was } of verdict.altered) {
    const original = spans.find((it) => it.id === span.id);
    expect(original !== undefined && altered.has(original)).toBe(true);
    const value = {
      parent: original?.parentId,
      kind: original?.kind ?? null,
      service: original?.serviceName,
    };
    expect(was).toBe(value[field] ?? null);
  }
}

for (const [name, knowledge] of Object.entries(KNOWLEDGE)) {
  test(`no verdict on a trace with random faults is false if the judge knows ${name}`, () => {
    for (let round = 0; round < ROUNDS; round++) {
      const random = randomSource(`${name} ${round}`)("test");
      const timeout = random() < 0.2 ? 0.1 : 0;
      const { spans, ledger } = simulateTrace(GRAPH, random, { error: 0.1, timeout });
      const done = damage(spans, random);
      const verdict = judgeTrace({ ledger, isSampled: true, isBroken: false }, done.seen, knowledge);
      try {
        check(verdict, done, spans, ledger.unknown > 0, knowledge === GIVEN);
      } catch (error) {
        const known = { ledger, lost: [...done.lost], altered: [...done.altered], verdict };
        throw new Error(`round ${round}: ${error}\n${JSON.stringify(known, null, 1)}`, { cause: error });
      }
    }
  });
}
