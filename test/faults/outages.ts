/**
 * Tests a release in a cluster that is itself in trouble: the API server restarts during a deploy, clocks differ
 * by an hour, the node stops. It disturbs the whole lab, so it is a command and not a test:
 *
 *     bun test/faults/outages.ts
 *
 * The exit code is 1 if a case of docs/release-faults.md does not behave as the page says.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXECUTABLE, temporaryFolder } from "../helpers/cli.ts";
import { LAB, startLab } from "../helpers/lab.ts";
import { emptyTopology, PAUSE_IMAGE, ReleaseBench } from "../helpers/release.ts";

const FLAGS = ["--chain-link-image", PAUSE_IMAGE, "--collector", "http://zipkin.elsewhere", "--yes"];
const PIDS = join(process.env.LAB_RUN ?? "/var/lib/chain-link-lab", "pid");
const HOUR_MS = 3_600_000;
const SHAPES = [
  ["chain", "{ apiVersion: chain-link.dev/v1, kind: Topology, chain: 4, defaults: { replicas: 0 } }"],
  ["topology", emptyTopology(4)],
] as const;

const lab = await startLab();
let failures = 0;
/** Differs for each deploy, so that each has something to change. */
let sleeps = 1;
for (const [shape, text] of SHAPES) {
  await run(`${shape}: the API server restarts during a deploy`, (bench) => restart(bench, text));
  for (const hours of [-1, 1]) {
    await run(`${shape}: the clock is ${hours} h off`, (bench) => shiftClock(bench, text, hours));
  }
}
await run("the only node is NotReady", stopNode);
process.exitCode = failures === 0 ? 0 : 1;

async function run(title: string, check: (bench: ReleaseBench) => Promise<void>): Promise<void> {
  using bench = new ReleaseBench(lab, `outage-${Bun.hash(title).toString(36).slice(0, 6)}-${process.pid}`);
  const startMs = performance.now();
  try {
    await check(bench);
    console.log(`as documented, ${Math.round((performance.now() - startMs) / 1000)} s: ${title}`);
  } catch (error) {
    failures += 1;
    console.log(`NOT as documented: ${title}: ${error}`);
  } finally {
    await bench.removeNamespace("--wait=false");
  }
}

async function restart(bench: ReleaseBench, text: string): Promise<void> {
  const args = bench.arguments(["deploy", bench.topology(text), ...FLAGS]);
  const child = Bun.spawn([EXECUTABLE, ...args], { stdout: "ignore", stderr: "pipe" });
  while (
    child.exitCode === null &&
    !(await bench.list().catch((): string[] => [])).includes("Lease/chain-link.chain-link")
  ) {
    await Bun.sleep(20);
  }
  kill("kube-apiserver");
  await up();
  const [stderr, exitCode] = await Promise.all([child.stderr.text(), child.exited]);
  console.log(`  the deploy ended with ${exitCode}: ${stderr.trimEnd().split("\n").at(-1)}`);
  expectThat(exitCode === 0 || stderr.includes("ERROR"), stderr);
  const again = await bench.run("deploy", bench.topology(text), ...FLAGS);
  expectThat(again.exitCode === 0, again.stderr);
  await expectSettled(bench, text);
}

/** Shifts the clock of this process; only the difference to the cluster's clock matters. */
async function shiftClock(bench: ReleaseBench, text: string, hours: number): Promise<void> {
  using folder = temporaryFolder();
  const preload = join(folder.path, "clock.ts");
  writeFileSync(
    preload,
    `const now = Date.now, Real = Date, shiftMs = ${hours * HOUR_MS};
globalThis.Date = class extends Real {
  constructor(...args) { args.length === 0 ? super(now() + shiftMs) : super(...args); }
  static now() { return now() + shiftMs; }
};`,
  );
  const shifted = (...args: string[]) => bench.runWith({ BUN_OPTIONS: `--preload ${preload}` }, ...args);
  const file = bench.topology(text);
  for (const deploy of [shifted, bench.run.bind(bench), shifted]) {
    const { exitCode, stderr } = await deploy("deploy", file, ...FLAGS, "--sleep-time", String(++sleeps));
    expectThat(exitCode === 0, stderr);
  }
  for (const command of [["validate"], ["rollback", "--yes"], ["delete", "--yes"]]) {
    const { exitCode, stderr } = await shifted(...command);
    expectThat(exitCode === 0, stderr);
  }
  expectThat((await bench.list()).length === 0, "something was left");
}

async function stopNode(bench: ReleaseBench): Promise<void> {
  const file = bench.topology(emptyTopology(2));
  expectThat((await bench.run("deploy", file, ...FLAGS)).exitCode === 0, "the first deploy failed");
  kill("kubelet");
  try {
    const condition = ["wait", "node", "--all", "--for=condition=Ready=Unknown", "--timeout=120s"];
    await lab.kubectl(condition);
    // Its Pod is replaced, which needs a kubelet.
    const held = await bench.run("deploy", file, ...FLAGS, "--sleep-time", "9", "--timeout", "20s");
    console.log(`  deploy: ${lines(held.stderr)}`);
    expectThat(held.exitCode === 1, held.stderr);
    expectThat(held.stderr.includes("node lab-node has not stopped it"), held.stderr);
    const removed = await bench.run("delete", "--yes", "--timeout", "10s");
    console.log(`  delete: ${lines(removed.stderr)}`);
    expectThat(removed.stderr.includes("node lab-node has not stopped it"), removed.stderr);
    const elsewhere = emptyTopology(2);
    using other = new ReleaseBench(lab, `${bench.namespace}-new`);
    const fresh = await other.run("deploy", other.topology(elsewhere), ...FLAGS, "--timeout", "15s");
    console.log(`  a new release: ${lines(fresh.stderr)}`);
    expectThat(fresh.stderr.includes("Unschedulable"), fresh.stderr);
    await other.removeNamespace("--wait=false");
  } finally {
    await up();
  }
  await lab.kubectl(["wait", "node", "--all", "--for=condition=Ready", "--timeout=60s"]);
  const again = await bench.run("delete", "--yes");
  expectThat(again.exitCode === 0 || again.stderr.includes("there is no release"), again.stderr);
}

async function expectSettled(bench: ReleaseBench, text: string): Promise<void> {
  const preview = await bench.run("dry-run", bench.topology(text), ...FLAGS.slice(0, 4));
  expectThat(preview.exitCode === 0, preview.stdout);
  expectThat(!(await bench.list()).includes("Lease/chain-link.chain-link"), "the lock is still there");
}

function kill(component: string): void {
  process.kill(Number(readFileSync(join(PIDS, component), "utf8")), "SIGKILL");
}

/** Starts the parts of the lab that do not run. */
async function up(): Promise<void> {
  const child = Bun.spawn([LAB, "up"], { stdout: "ignore", stderr: "pipe" });
  if ((await child.exited) !== 0) throw new Error(await child.stderr.text());
}

function lines(stderr: string): string {
  const at = stderr.split("\n").findIndex((line) => line.startsWith("ERROR"));
  return stderr
    .split("\n")
    .slice(at, at + 5)
    .join(" / ");
}

function expectThat(isSo: boolean, text: string): void {
  if (!isSo) throw new Error(text);
}
