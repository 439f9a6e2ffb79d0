import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomSource } from "../../src/lib/random.ts";
import { runInBenches } from "../faults/bench-pool.ts";
import {
  type Disturbance,
  type FaultBench,
  isGood,
  listDisturbances,
  type Outcome,
  SCENARIOS,
  type Scenario,
} from "../faults/scenario.ts";
import { hasLab, LAB_NOTE, LAB_START_MS, type Lab, startLab, stopLab } from "../helpers/lab.ts";

/**
 * The seed changes the sample every day; run a failed sample again with its seed. `test/faults/release.ts` runs all
 * cases.
 */
const SEED = process.env.CHAIN_LINK_FAULT_SEED ?? String(Math.floor(Date.now() / 86_400_000));
const SAMPLES_OF_EACH = 6;
const PARALLEL = 4;

describe.skipIf(!hasLab)(`a disturbed command, sample of CHAIN_LINK_FAULT_SEED=${SEED}${LAB_NOTE}`, () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await startLab();
  }, LAB_START_MS);

  afterAll(stopLab, LAB_START_MS);

  test.each(SCENARIOS)(
    "$name: one undisturbed command afterwards reaches the desired state",
    async (scenario) => {
      let calls = 0;
      const count = async (bench: FaultBench) => {
        calls = await bench.countCalls(scenario);
      };
      await runInBenches(lab, "count", 1, [count]);
      const outcomes: (Outcome & { readonly disturbance: Disturbance })[] = [];
      const tasks = drawSample(scenario, calls).map((disturbance) => async (bench: FaultBench) => {
        outcomes.push({ disturbance, ...(await bench.run(scenario, disturbance)) });
      });
      await runInBenches(lab, "sample", PARALLEL, tasks);
      expect(outcomes).toHaveLength(SAMPLES_OF_EACH);
      expect(outcomes.filter((outcome) => !isGood(outcome))).toEqual([]);
    },
    400_000,
  );
});

/** Half of the sample are kills. Lasting faults would take too long. */
function drawSample(scenario: Scenario, calls: number): Disturbance[] {
  const random = randomSource(SEED)(scenario.name);
  const all = listDisturbances(calls).filter((it) => it.kind === "kill" || it.forMs === 0);
  const draw = (from: readonly Disturbance[]) => from[Math.floor(random() * from.length)];
  return Array.from({ length: SAMPLES_OF_EACH }, (_, index) =>
    draw(all.filter(({ kind }) => (kind === "kill") === (index % 2 === 0))),
  ).filter((it) => it !== undefined);
}
