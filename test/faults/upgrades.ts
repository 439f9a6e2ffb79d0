/**
 * Runs every kind of change of a release on the lab, as install, upgrade and rollback, under a load of 50
 * requests per second. Writes the table of docs/upgrades.md.
 *
 *     bun test/faults/upgrades.ts [FILTER]
 *
 * FILTER is a part of the name of a change, such as "entry" or "topology, renamed"; with it, the table is only
 * printed. Takes about 15 minutes on 2 cores.
 */
import { writeFileSync } from "node:fs";
import { buildLabImage } from "../helpers/image.ts";
import { startLab, stopLab } from "../helpers/lab.ts";
import { ReleaseBench } from "../helpers/release.ts";
import { CASES, runCase, type StepResult } from "./upgrade-case.ts";

/** Pods take time to start, so the machine can run other cases meanwhile. */
const PARALLEL = 3;
const PAGE = new URL("../../docs/upgrades.md", import.meta.url);
const filter = process.argv[2] ?? "";

const lab = await startLab();
const image = await buildLabImage();
const cases = CASES.filter(({ shape, change }) => `${shape}, ${change}`.includes(filter));
const results = new Map<string, readonly StepResult[]>();
const waiting = [...cases.entries()];
const work = async () => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const [index, upgrade] = next;
    using bench = new ReleaseBench(lab, `upgrade-${process.pid}-${index}`);
    try {
      const steps = await runCase(bench, image, upgrade);
      results.set(`${upgrade.shape}, ${upgrade.change}`, steps);
      console.log(steps.map(renderRow).join("\n"));
    } finally {
      await bench.removeNamespace("--wait=false");
    }
  }
};
await Promise.all(Array.from({ length: PARALLEL }, work));
await stopLab();

const all = cases.flatMap(({ shape, change }) => results.get(`${shape}, ${change}`) ?? []);
if (filter === "") writeFileSync(PAGE, renderPage(all));
const bad = all.filter(({ problem, lost }) => problem !== "" || (lost ?? 0) > 0);
console.log(`${all.length} steps, ${bad.length} not as they should be`);
process.exitCode = bad.length === 0 ? 0 : 1;

function renderRow({
  shape,
  change,
  step,
  sent,
  seconds,
  problem,
  requests,
  lost,
  failures,
}: StepResult): string {
  const reasons = lost === 0 ? "" : ` ${JSON.stringify(failures)}`;
  const load = requests === null ? "–" : `${lost} of ${requests}${reasons}`;
  return `| ${shape} | ${change} | ${step} | ${sent} | ${seconds} | ${problem === "" ? "yes" : problem} | ${load} |`;
}

function renderPage(rows: readonly StepResult[]): string {
  return `# Upgrades

\`bun test/faults/upgrades.ts\` writes this page. It installs a release on a real cluster, changes it and rolls the change
back. Our image runs in every pod. If the entry exists before and after the change, a Pod sends it 50 requests a second
meanwhile.

*Ready*: the command ended with 0, a dry run then finds nothing to change, and \`validate\` finds everything ready.
*Lost*: requests that were not answered with 200. Three cases ran in parallel on a machine with 2 cores, so the seconds
are upper limits.

| shape | change | step | sent | seconds | ready | lost |
|---|---|---|---|---|---|---|
${rows.map(renderRow).join("\n")}
`;
}
