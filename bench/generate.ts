/**
 * Measures the time and the memory of `generate` for 1,000 and 10,000 links, and compares it with `helm
 * template` of a chart that renders the same objects.
 *
 *     bun bench/generate.ts [FOLDER]
 *
 * - Scenario: the spawned executable, including its start. It writes files into FOLDER (default: the temporary
 *   folder), and then one YAML stream into a file, as `helm template` does.
 * - Metrics: wall time and CPU time, as medians of several runs, and peak resident memory (Linux only).
 * - Asserted first: the number and kinds of objects. Helm's output contains the same objects as ours.
 * - Creating 20,000 files is work of the kernel. ext4 is several times slower at it for minutes after as many
 *   files were deleted, so each run writes into its own folder and all folders are deleted at the end. To
 *   measure the program alone, use a folder in memory, such as /dev/shm.
 * - Helm is optional: `helm` on the PATH, or the program that the variable HELM names.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { loadAll } from "js-yaml";
import { buildObjects } from "../src/kubernetes/objects.ts";
import { renderYaml } from "../src/kubernetes/yaml.ts";
import { buildChain } from "../src/topology/chain.ts";
import { EXECUTABLE, median, readMemory } from "./process.ts";

const HELM = process.env.HELM ?? Bun.which("helm");
const SIZES = [1000, 10_000];
const ROUNDS = 5;
/** The documented limits for 10,000 links. */
const LIMIT = { instances: 10_000, wallMs: 2000, peakBytes: 500e6 };

interface Measurement {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
}

interface Scenario {
  readonly name: string;
  run(round: number): Promise<Measurement>;
}

const top = mkdtempSync(join(resolve(process.argv[2] ?? tmpdir()), "bench-generate-"));
try {
  const config = join(top, "chain-link-cli.conf");
  await checkFiles(config);
  for (const instances of SIZES) {
    const scenarios = [filesScenario(instances, config), streamScenario(instances, config)];
    const chart = HELM === null ? null : writeChart(instances);
    if (HELM !== null && chart !== null) {
      await checkChart(HELM, chart, instances, config);
      scenarios.push(helmScenario(HELM, chart));
    }
    await report(instances, scenarios);
  }
  if (HELM === null) print("helm: not on the PATH and not named by HELM, so there is no comparison");
} finally {
  rmSync(top, { recursive: true, force: true });
}

function generateCommand(instances: number, config: string, ...more: string[]): string[] {
  return [EXECUTABLE, "generate", "--instances", String(instances), "--config-file", config, ...more];
}

function filesScenario(instances: number, config: string): Scenario {
  return {
    name: "generate, files",
    run: (round) =>
      measure(generateCommand(instances, config, "--output-directory", join(top, `${instances}-${round}`))),
  };
}

function streamScenario(instances: number, config: string): Scenario {
  return {
    name: "generate -o yaml",
    run: () => measure(generateCommand(instances, config, "-o", "yaml"), join(top, "stream.yaml")),
  };
}

function helmScenario(helm: string, chart: string): Scenario {
  return {
    name: "helm template",
    run: () => measure([helm, "template", "chain-link", chart], join(top, "helm.yaml")),
  };
}

/** Checks the files of a small chain, and the number of files of a large one. */
async function checkFiles(config: string): Promise<void> {
  for (const instances of [3, 1000]) {
    const folder = join(top, `check-${instances}`);
    await measure(generateCommand(instances, config, "--output-directory", folder));
    const kinds = countBy(readdirSync(folder), (name) => /-([a-z]+)\.yaml$/.exec(name)?.[1] ?? name);
    assert.deepEqual(kinds, {
      configmap: 1,
      deployment: instances + 1,
      namespace: 1,
      pod: 1,
      service: instances + 1,
    });
  }
}

async function checkChart(helm: string, chart: string, instances: number, config: string): Promise<void> {
  const ours = await readObjects(generateCommand(instances, config, "-o", "yaml"));
  const theirs = await readObjects([helm, "template", "chain-link", chart]);
  assert.equal(ours.size, 2 * instances + 5);
  assert.deepEqual(theirs, ours);
}

async function readObjects(command: string[]): Promise<Map<string, unknown>> {
  const path = join(top, "check.yaml");
  await measure(command, path);
  const objects = loadAll(readFileSync(path, "utf8")) as { kind: string; metadata: { name: string } }[];
  return new Map(
    objects
      .filter((object) => object !== null)
      .map((object): [string, unknown] => [`${object.kind}/${object.metadata.name}`, object])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** Writes a chart with our objects. The objects of a link are in a loop, as a person would write them. */
function writeChart(instances: number): string {
  const chart = join(top, `chart-${instances}`);
  const templates = join(chart, "templates");
  mkdirSync(templates, { recursive: true });
  writeFileSync(join(chart, "Chart.yaml"), "apiVersion: v2\nname: chain-link\nversion: 0.1.0\n");
  writeFileSync(join(chart, "values.yaml"), `instances: ${instances}\n`);
  // Link 7 of a chain becomes the template, because nothing else in its objects contains a 7.
  const objects = buildObjects(buildChain(8, { name: "chart" }), { namespace: "chain-link" });
  for (const [index, object] of objects.entries()) {
    const { name } = object.metadata;
    if (name.endsWith("-7")) {
      const body = renderYaml(object).replaceAll(/(?<=-)7$|(?<=')7(?=')/gm, "{{ $i }}");
      const loop = `{{- range $i := until (int .Values.instances) }}\n---\n${body}{{- end }}\n`;
      writeFileSync(join(templates, `link-${object.kind}.yaml`), loop);
    } else if (name === "chain-link-services") {
      const list = `{{- $names := list }}
{{- range $i := until (int .Values.instances) }}
{{- $names = append $names (printf "\\"chain-link-service-%d\\"" $i) }}
{{- end }}
`;
      const body = renderYaml(object).replace(/\[.*\]/, '[{{ join ", " $names }}]');
      writeFileSync(join(templates, "services.yaml"), `${list}${body}`);
    } else if (!/-\d$/.test(name)) {
      writeFileSync(join(templates, `object-${index}.yaml`), renderYaml(object));
    }
  }
  return chart;
}

/** Runs a command and measures it. Standard output goes to a file. */
async function measure(command: string[], outputPath = "/dev/null"): Promise<Measurement> {
  const startMs = performance.now();
  const child = Bun.spawn(command, { stdout: Bun.file(outputPath), stderr: "pipe" });
  // Polled, because the kernel's final figure includes the peak of this process: a child starts as its copy.
  let peakBytes = 0;
  const watch = setInterval(() => {
    peakBytes = Math.max(peakBytes, readMemory(child.pid, "VmHWM"));
  }, 2);
  const messages = await new Response(child.stderr).text();
  clearInterval(watch);
  assert.equal(await child.exited, 0, `${command.join(" ")}: ${messages}`);
  const wallMs = performance.now() - startMs;
  return { wallMs, cpuMs: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000, peakBytes };
}

/** The scenarios take turns, so that other load on the machine affects all of them. */
async function report(instances: number, scenarios: readonly Scenario[]): Promise<void> {
  const measured = new Map<Scenario, Measurement[]>(scenarios.map((scenario) => [scenario, []]));
  for (let round = 0; round < ROUNDS; round++)
    for (const [scenario, all] of measured) all.push(await scenario.run(round));
  print(`\n${instances} links, ${2 * instances + 5} objects, median of ${ROUNDS} runs`);
  const medians = new Map<string, Measurement>();
  for (const [{ name }, all] of measured) {
    const found: Measurement = {
      wallMs: median(all.map(({ wallMs }) => wallMs)),
      cpuMs: median(all.map(({ cpuMs }) => cpuMs)),
      peakBytes: Math.max(...all.map(({ peakBytes }) => peakBytes)),
    };
    medians.set(name, found);
    print(
      `  ${name.padEnd(18)}${format(found.wallMs, "ms wall")}${format(found.cpuMs, "ms cpu")}` +
        format(found.peakBytes / 1e6, "MB peak"),
    );
  }
  const ours = medians.get("generate, files");
  const helm = medians.get("helm template");
  if (ours !== undefined && helm !== undefined) {
    const stream = medians.get("generate -o yaml") ?? ours;
    print(`  helm / generate, files: ${(helm.wallMs / ours.wallMs).toFixed(2)} times the wall time`);
    print(`  helm / generate -o yaml: ${(helm.wallMs / stream.wallMs).toFixed(2)} times the wall time`);
  }
  if (instances === LIMIT.instances && ours !== undefined) {
    const isMet = ours.wallMs < LIMIT.wallMs && ours.peakBytes < LIMIT.peakBytes;
    print(`  limit of ${LIMIT.wallMs} ms and ${LIMIT.peakBytes / 1e6} MB: ${isMet ? "met" : "MISSED"}`);
  }
}

function countBy(names: readonly string[], keyOf: (name: string) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[keyOf(name)] = (counts[keyOf(name)] ?? 0) + 1;
  return counts;
}

function format(value: number, unit: string): string {
  return `${value.toFixed(0).padStart(8)} ${unit}`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
