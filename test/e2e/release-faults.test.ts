import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomSource } from "../../src/lib/random.ts";
import {
  type Disturbance,
  FaultBench,
  isClear,
  listDisturbances,
  SCENARIOS,
  type Scenario,
} from "../faults/scenario.ts";
import { hasLab, LAB_NOTE, LAB_START_MS, type Lab, startLab, stopLab } from "../helpers/lab.ts";

/** Another sample each day; a failed one is run again with its seed. `test/faults/release.ts` runs them all. */
const SEED = process.env.CHAIN_LINK_FAULT_SEED ?? String(Math.floor(Date.now() / 86_400_000));
const SAMPLES_OF_EACH = 6;
/** A disturbed delete is left to `test/faults/release.ts`: now and then it waits for minutes, and why is not known yet. */
const SAMPLED = SCENARIOS.filter((scenario) => scenario !== "delete");

describe.skipIf(!hasLab)(`a disturbed command, sample of CHAIN_LINK_FAULT_SEED=${SEED}${LAB_NOTE}`, () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await startLab();
  }, LAB_START_MS);

  afterAll(stopLab, LAB_START_MS);

  test.each(SAMPLED)(
    "%s: one plain command afterwards brings everything to what was wanted",
    async (scenario) => {
      const sample = await drawSample(scenario);
      const outcomes = await Promise.all(
        sample.map(async (disturbance, index) => {
          const bench = new FaultBench(lab, `faults-${scenario}-${index}`, scenario);
          try {
            return { disturbance, ...(await bench.run(disturbance)) };
          } finally {
            await bench.remove();
          }
        }),
      );
      const bad = outcomes.filter(
        ({ end, message, problems }) => problems.length > 0 || (end === "failed" && !isClear(message)),
      );
      expect(bad).toEqual([]);
    },
    400_000,
  );

  /** Half of them kills; faults that last would take too long. */
  async function drawSample(scenario: Scenario): Promise<Disturbance[]> {
    const counter = new FaultBench(lab, `faults-${scenario}`, scenario);
    const calls = await counter.countCalls().finally(() => counter.remove());
    const random = randomSource(SEED)(scenario);
    const all = listDisturbances(calls).filter((it) => it.kind === "kill" || it.forMs === 0);
    const draw = (from: readonly Disturbance[]) => from[Math.floor(random() * from.length)];
    return Array.from({ length: SAMPLES_OF_EACH }, (_, index) =>
      draw(all.filter(({ kind }) => (kind === "kill") === (index % 2 === 0))),
    ).filter((it) => it !== undefined);
  }
});
