import { beforeAll, expect, test } from "bun:test";
import { CASES, runCase } from "../faults/upgrade-case.ts";
import { describeReleases } from "../helpers/describe-lab.ts";
import { buildLabImage } from "../helpers/image.ts";
import type { ReleaseBench } from "../helpers/release.ts";

/** Pods take seconds to start and end, and the machine may be busy. */
const STEP_MS = 300_000;
/** The seed selects the sample. It defaults to the date, so that all cases run in time. */
const SEED = process.env.CHAIN_LINK_TEST_SEED ?? new Date().toISOString().slice(0, 10);

/** One change of each shape, selected by the seed. Only `bun test/faults/upgrades.ts` runs the wide ones. */
const SAMPLE = ["chain", "topology"].map((shape) => {
  const cases = CASES.filter((it) => it.shape === shape && it.entry !== null);
  return cases[Number(Bun.hash(`${SEED} ${shape}`) % BigInt(cases.length))];
});

describeReleases(`a release that is upgraded under load, sample of ${SEED}`, (benches) => {
  let image: string;

  beforeAll(async () => {
    image = await buildLabImage();
  }, STEP_MS);

  test.concurrent.each(
    SAMPLE.flatMap((it) => (it === undefined ? [] : [[it.shape, it.change, it] as const])),
  )(
    "a %s is ready after install, upgrade and rollback, and loses no request: %s",
    async (shape, _change, upgrade) => {
      const steps = await runCase(benches.open(`upgrade-${shape}`), image, upgrade);
      expect(steps.map(({ step, problem, lost }) => ({ step, problem, lost: lost ?? 0 }))).toEqual([
        { step: "install", problem: "", lost: 0 },
        { step: "upgrade", problem: "", lost: 0 },
        { step: "rollback", problem: "", lost: 0 },
      ]);
    },
    STEP_MS,
  );

  test.each([
    ["chain", () => ["--instances", "3", "--slow", "off"]],
    ["topology", (bench: ReleaseBench) => [bench.topology(TOPOLOGY)]],
  ] as const)(
    "a %s can be verified as soon as it is deployed",
    async (shape, wanted) => {
      const bench = benches.open(`verify-now-${shape}`);
      const deployed = await bench.run(
        ...["deploy", ...wanted(bench), "--chain-link-image", image, "--collector", "embedded"],
      );
      expect(deployed.stderr).toContain("is deployed and ready");
      const load = ["--rate", "20/s", "--duration", "2s"];
      const verified = await bench.runPlain("verify", "--release", "chain-link", ...load);
      expect({ exitCode: verified.exitCode, output: verified.stdout + verified.stderr }).toMatchObject({
        exitCode: 0,
      });
    },
    STEP_MS,
  );
});

const TOPOLOGY = `apiVersion: chain-link.dev/v1
kind: Topology
services: { front: { entry: true, calls: [middle] }, middle: { calls: [[back, side]] }, back: {}, side: {} }
`;
