import type { Finished } from "../helpers/cli.ts";
import type { ReleaseBench } from "../helpers/release.ts";

/** A change of a release: install `before`, upgrade to `after`, roll back. */
export interface UpgradeCase {
  readonly shape: "chain" | "topology" | "both";
  readonly change: string;
  readonly before: Wanted;
  readonly after: Wanted;
  /** Service that receives requests during the change; `null` to send none. */
  readonly entry: string | null;
}

/** Flags of `deploy`, or a topology's services. */
export type Wanted = readonly string[] | { readonly services: string } | { readonly chain: string };

export const STEPS = ["install", "upgrade", "rollback"] as const;
export type Step = (typeof STEPS)[number];

/** Result of one step. */
export interface StepResult {
  readonly shape: string;
  readonly change: string;
  readonly step: Step;
  /** `2 created, 3 updated, 4 unchanged, 0 deleted`. */
  readonly sent: string;
  readonly seconds: number;
  /** Description of a wrong result; empty if there is none. */
  readonly problem: string;
  /** Number of requests sent during the step; `null` if none were sent. */
  readonly requests: number | null;
  readonly lost: number | null;
  /** Number of failed requests by outcome. */
  readonly failures: Readonly<Record<string, number>>;
}

/** These run without load: a request through 60 links costs a small machine more than the change itself. */
const WIDE = "58 to 60 services";
const chain = (links: number) => ["--instances", String(links), "--slow", "off"];
const BASE = "front: { entry: true, calls: [a, b] }, a: { calls: [c] }";
const graph = (more: string, base = BASE) => ({ services: `{ ${base}, ${more} }` });
const CHAIN_ENTRY = "chain-link-service-0";
/** A topology whose entry has the name of a chain's entry, so that requests continue during the change. */
const LIKE_CHAIN = graph("b: {}, c: {}", BASE.replace("front:", `${CHAIN_ENTRY}:`));
const OLD = graph("b: {}, c: {}");
const wide = (services: number) => {
  const names = Array.from({ length: services - 1 }, (_, index) => `s${index}`);
  return { services: `{ front: { entry: true, calls: [[${names}]] }, ${names.map((it) => `${it}: {}`)} }` };
};

export const CASES: readonly UpgradeCase[] = [
  ...(
    [
      ["one service more", chain(3), chain(4)],
      ["one service less", chain(4), chain(3)],
      ["3 to 8", chain(3), chain(8)],
      ["8 to 3", chain(8), chain(3)],
      ["calls changed", { chain: "chain: 3" }, { chain: "chain: 3, defaults: { retries: 1 }" }],
      ["behavior changed", { chain: "chain: 3" }, { chain: "chain: 3, defaults: { latency: 2ms }" }],
      ["replicas changed", { chain: "chain: 3" }, { chain: "chain: 3, defaults: { replicas: 2 }" }],
      [WIDE, chain(58), chain(60)],
    ] as const
  ).map(([change, before, after]) => ({
    shape: "chain" as const,
    change,
    before,
    after,
    entry: change === WIDE ? null : CHAIN_ENTRY,
  })),
  ...(
    [
      ["one service more", OLD, graph("b: {}, c: { calls: [d] }, d: {}")],
      ["one service less", OLD, graph("c: {}", "front: { entry: true, calls: [a] }, a: { calls: [c] }")],
      ["renamed", OLD, graph("bb: {}, c: {}", "front: { entry: true, calls: [a, bb] }, a: { calls: [c] }")],
      [
        "entry moved",
        OLD,
        graph("b: {}, c: {}, gate: { entry: true, calls: [front] }", BASE.replace("entry: true, ", "")),
      ],
      ["calls changed", OLD, graph("b: { calls: [c] }, c: {}")],
      ["behavior changed", OLD, graph("b: { latency: 5ms }, c: { response: 1KiB }")],
      ["replicas changed", OLD, graph("b: { replicas: 3 }, c: { replicas: 2 }")],
      [WIDE, wide(58), wide(60)],
    ] as const
  ).map(([change, before, after]) => ({
    shape: "topology" as const,
    change,
    before,
    after,
    entry: change === WIDE ? null : "front",
  })),
  { shape: "both", change: "chain to topology", before: chain(3), after: LIKE_CHAIN, entry: CHAIN_ENTRY },
  { shape: "both", change: "topology to chain", before: LIKE_CHAIN, after: chain(3), entry: CHAIN_ENTRY },
];

/** Requests per second during a change. */
const RATE = 50;

/** Runs the steps of one case in its own namespace and checks each result. */
export async function runCase(
  bench: ReleaseBench,
  image: string,
  { shape, change, before, after, entry }: UpgradeCase,
): Promise<StepResult[]> {
  const results: StepResult[] = [];
  const more = ["--chain-link-image", image, "--collector", "embedded", "--timeout", "4m", "-o", "json"];
  const deploy = (wanted: Wanted) => ["deploy", ...wantedArguments(bench, wanted), ...more, "--yes"];
  const step = async (name: Step, command: readonly string[], wanted: Wanted, load: Load | null) => {
    const startMs = performance.now();
    const finished = await bench.run(...command);
    const seconds = Math.round((performance.now() - startMs) / 1000);
    const counted = await load?.end();
    const problem = await findProblem(bench, finished, [
      "dry-run",
      ...wantedArguments(bench, wanted),
      ...more.slice(0, 4),
    ]);
    results.push({
      shape,
      change,
      step: name,
      sent: describeSent(finished),
      seconds,
      problem,
      requests: counted?.requests ?? null,
      lost: counted?.failed ?? null,
      failures: counted?.failures ?? {},
    });
  };
  const load = () => (entry === null ? null : Load.start(bench, image, entry));
  await step("install", deploy(before), before, null);
  await step("upgrade", deploy(after), after, await load());
  await step("rollback", ["rollback", "--yes", "--timeout", "4m", "-o", "json"], before, await load());
  return results;
}

function wantedArguments(bench: ReleaseBench, wanted: Wanted): string[] {
  if (!("services" in wanted) && !("chain" in wanted)) return [...wanted];
  const content = "services" in wanted ? `services: ${wanted.services}` : wanted.chain;
  return [
    bench.topology(`{ apiVersion: chain-link.dev/v1, kind: Topology, metadata: { name: t }, ${content} }`),
    ...["--slow", "off"],
  ];
}

function describeSent({ stdout }: Finished): string {
  if (!stdout.startsWith("{")) return "-";
  const { created, updated, unchanged, deleted } = JSON.parse(stdout);
  return `${created} created, ${updated} updated, ${unchanged} unchanged, ${deleted} deleted`;
}

async function findProblem(
  bench: ReleaseBench,
  { exitCode, stderr }: Finished,
  dryRun: readonly string[],
): Promise<string> {
  const lastError = stderr.split("\n").findLast((line) => line.startsWith("ERROR")) ?? "";
  if (exitCode !== 0) return `exit ${exitCode}: ${lastError}`;
  const preview = await bench.run(...dryRun);
  if (preview.exitCode !== 0) return `a dry run finds something to change:\n${preview.stdout}`;
  const valid = await bench.run("validate");
  return valid.exitCode === 0 ? "" : `validate: ${valid.stderr.trim().split("\n").at(-1)}`;
}

interface Counted {
  readonly requests: number;
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
}

/** A Pod that sends requests until it is stopped. */
class Load {
  private constructor(
    readonly bench: ReleaseBench,
    readonly name: string,
    /** Follows the log from the start, because the log of a deleted Pod is gone. */
    readonly log: Promise<{ readonly stdout: string }>,
  ) {}

  static async start(bench: ReleaseBench, image: string, entry: string): Promise<Load> {
    const { lab, namespace } = bench;
    const name = `load-${made++}`;
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: {
        restartPolicy: "Never",
        containers: [
          {
            name: "load",
            image,
            args: [
              "load",
              `http://${entry}`,
              "--rate",
              `${RATE}/s`,
              "--wait-for-target",
              "30s",
              "-o",
              "json",
            ],
          },
        ],
      },
    };
    await lab.kubectl(["create", "-n", namespace, "-f", "-"], { input: JSON.stringify(pod) });
    await lab.kubectl(["wait", "-n", namespace, "--for=condition=Ready", `pod/${name}`, "--timeout=120s"]);
    return new Load(bench, name, lab.kubectl(["logs", "-n", namespace, "-f", name]));
  }

  async end(): Promise<Counted> {
    const { lab, namespace } = this.bench;
    await lab.kubectl(["delete", "pod", this.name, "-n", namespace]);
    const { stdout } = await this.log;
    const summary = stdout.split("\n").find((line) => line.startsWith("{"));
    if (summary === undefined) throw new Error(`the load of ${namespace} left no summary:\n${stdout}`);
    return JSON.parse(summary);
  }
}

let made = 0;
