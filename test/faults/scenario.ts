import { ApiClient } from "../../src/kubernetes/api/client.ts";
import { openCluster } from "../../src/kubernetes/api/kubeconfig.ts";
import { MEMBER_RESOURCES, RESOURCES } from "../../src/kubernetes/api/resource.ts";
import { ReleaseStore } from "../../src/kubernetes/release/store.ts";
import { ApiProxy, type ApiProxyOptions, FAULTS, type Fault } from "../helpers/api-proxy.ts";
import { EXECUTABLE } from "../helpers/cli.ts";
import type { Lab } from "../helpers/lab.ts";
import { emptyTopology, PAUSE_IMAGE, ReleaseBench } from "../helpers/release.ts";

/** Four things that can be disturbed: what stands before, the command, and what must be there in the end. */
export const SCENARIOS = ["install", "upgrade", "rollback", "delete"] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** What disturbs a command: it is killed behind a call, or calls are spoilt from one on. */
export type Disturbance =
  | { readonly kind: "kill"; readonly call: number }
  | { readonly kind: Fault; readonly call: number; readonly forMs: number };

export interface Outcome {
  /** The disturbed command itself: `killed`, `done`, or `failed` with its message. */
  readonly end: "killed" | "done" | "failed";
  readonly message: string;
  /** What is not as it should be after the next plain command; empty when all is. */
  readonly problems: readonly string[];
}

const SMALL = emptyTopology(2);
const LARGE = emptyTopology(4);
/** Pods are not what is tested here: Zipkin's is kept away by a limit, the load generator's does nothing. */
const LIMIT = {
  apiVersion: "v1",
  kind: "LimitRange",
  metadata: { name: "no-zipkin" },
  spec: { limits: [{ type: "Container", max: { memory: "300Mi" } }] },
};
const LIMIT_RANGES = { apiVersion: "v1", kind: "LimitRange", plural: "limitranges" };
const QUICK = ["--chain-link-image", PAUSE_IMAGE, "--wait=false", "--yes"];

/** One scenario in a namespace of its own. */
export class FaultBench {
  readonly #bench: ReleaseBench;
  /** Past the proxy. A kubectl for each look would take longer than what is tested. */
  readonly #client: ApiClient;
  readonly #scenario: Scenario;

  constructor(
    readonly lab: Lab,
    namespace: string,
    scenario: Scenario,
  ) {
    this.#bench = new ReleaseBench(lab, namespace);
    this.#client = new ApiClient(openCluster({ file: lab.kubeconfig, context: null, environment: {} }));
    this.#scenario = scenario;
  }

  /** How many calls the undisturbed command makes. */
  async countCalls(): Promise<number> {
    await this.#prepare();
    const { calls } = await this.#runThroughProxy({});
    return calls;
  }

  async run(disturbance: Disturbance): Promise<Outcome> {
    await this.#prepare();
    const { end, message } = await this.#runThroughProxy(
      disturbance.kind === "kill"
        ? { killAfter: disturbance.call }
        : { faults: { fault: disturbance.kind, from: disturbance.call, forMs: disturbance.forMs } },
    );
    return { end, message, problems: await this.#recover(end) };
  }

  async remove(): Promise<void> {
    const { namespace } = this.#bench;
    const found = await this.#client.find(RESOURCES.namespace, null, namespace);
    if (found !== null)
      await this.#client.delete(RESOURCES.namespace, null, namespace, { uid: found.metadata.uid });
    this.#bench[Symbol.dispose]();
  }

  async #prepare(): Promise<void> {
    const { namespace } = this.#bench;
    const made = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
    await this.#client.create(RESOURCES.namespace, null, made, "test");
    await this.#client.create(LIMIT_RANGES, namespace, LIMIT, "test");
    if (this.#scenario === "install") return;
    await this.#mustRun("deploy", this.#bench.topology(LARGE), ...QUICK);
    if (this.#scenario === "rollback") await this.#mustRun("deploy", this.#bench.topology(SMALL), ...QUICK);
  }

  /** The command that is disturbed. */
  #command(): string[] {
    const commands: Readonly<Record<Scenario, string[]>> = {
      install: ["deploy", this.#bench.topology(LARGE), ...QUICK],
      upgrade: ["deploy", this.#bench.topology(SMALL), ...QUICK],
      rollback: ["rollback", "--wait=false", "--yes"],
      delete: ["delete", "--yes"],
    };
    return commands[this.#scenario];
  }

  /** One plain command brings everything to what was wanted. */
  async #recover(end: Outcome["end"]): Promise<string[]> {
    const problems: string[] = [];
    const bench = this.#bench;
    if (this.#scenario === "delete") {
      const { exitCode, stderr } = await bench.run("delete", "--yes");
      // It may have been done before it was killed.
      const isGone = stderr.includes("there is no release");
      if (exitCode !== 0 && !isGone) problems.push(`delete ended with ${exitCode}: ${lastLine(stderr)}`);
      if (end === "done" && !isGone) problems.push("delete said that it was done, but something was left");
      const left = await this.#list();
      if (left.length > 0) problems.push(`left behind: ${left.join(", ")}`);
      return problems;
    }
    const topology = bench.topology(this.#scenario === "upgrade" ? SMALL : LARGE);
    const { exitCode, stderr } = await bench.run("deploy", topology, ...QUICK);
    if (exitCode !== 0) problems.push(`deploy ended with ${exitCode}: ${lastLine(stderr)}`);
    if (end === "done" && !stderr.includes("Nothing to change")) {
      problems.push("the command said that it was done, but something was left to do");
    }
    const preview = await bench.run("dry-run", topology, "--chain-link-image", PAUSE_IMAGE);
    if (preview.exitCode !== 0) problems.push(`dry-run ended with ${preview.exitCode}: ${preview.stdout}`);
    const names = await this.#list();
    const members = names.filter((name) => !name.startsWith("Secret/"));
    const expected = expectedNames(this.#scenario === "upgrade" ? 2 : 4);
    if (!Bun.deepEquals(members, expected)) {
      problems.push(`there is ${members.join(", ")} instead of ${expected.join(", ")}`);
    }
    const store = new ReleaseStore(this.#client, bench.namespace, "chain-link");
    const statuses = (await store.listRevisions()).map(({ status }) => status);
    const isRecorded = statuses[0] === "deployed" && statuses.filter((it) => it === "deployed").length === 1;
    if (!isRecorded || statuses.includes("pending"))
      problems.push(`the revisions are ${statuses.join(", ")}`);
    return problems;
  }

  async #runThroughProxy(options: {
    readonly killAfter?: number;
    readonly faults?: ApiProxyOptions["faults"];
  }): Promise<{ end: Outcome["end"]; message: string; calls: number }> {
    const { killAfter, faults } = options;
    let kill = () => {};
    const proxy = await ApiProxy.start(this.lab.kubeconfig, {
      ...(faults === undefined ? {} : { faults }),
      onAnswered: (call) => {
        if (call === killAfter) kill();
        return killAfter === undefined || call < killAfter;
      },
    });
    try {
      const bench = this.#bench;
      const kubeconfig = proxy.writeKubeconfig(`${bench.topology("")}.kubeconfig`);
      const viaProxy = [...bench.arguments([...this.#command(), "--request-timeout", "2s"])];
      viaProxy[viaProxy.indexOf("--kubeconfig") + 1] = kubeconfig;
      const child = Bun.spawn([EXECUTABLE, ...viaProxy], { stdout: "ignore", stderr: "pipe" });
      kill = () => child.kill("SIGKILL");
      const [stderr, exitCode] = await Promise.all([child.stderr.text(), child.exited]);
      const end = exitCode === 0 ? "done" : child.signalCode === "SIGKILL" ? "killed" : "failed";
      return { end, message: end === "failed" ? lastLine(stderr) : "", calls: proxy.calls.length };
    } finally {
      proxy.stop();
    }
  }

  /** The release's objects, its record and its lock. */
  async #list(): Promise<string[]> {
    const resources = [...MEMBER_RESOURCES, RESOURCES.secret, RESOURCES.lease];
    const lists = await Promise.all(
      resources.map((resource) =>
        this.#client.listAll(resource, this.#bench.namespace, { metadataOnly: true }),
      ),
    );
    return lists
      .flat()
      .filter(
        ({ metadata }) => metadata.ownerReferences === undefined && metadata.name !== "kube-root-ca.crt",
      )
      .map(({ kind, metadata }) => `${kind}/${metadata.name}`)
      .sort();
  }

  async #mustRun(...args: readonly string[]): Promise<void> {
    const { exitCode, stderr } = await this.#bench.run(...args);
    if (exitCode !== 0) throw new Error(`${args[0]} ended with ${exitCode}: ${stderr}`);
  }
}

/** Every disturbance of a command with so many calls; those that last come last. */
export function listDisturbances(calls: number): Disturbance[] {
  const numbers = Array.from({ length: calls }, (_, index) => index + 1);
  return [
    ...numbers.map((call): Disturbance => ({ kind: "kill", call })),
    ...[0, 10_000].flatMap((forMs) =>
      FAULTS.flatMap((kind) => numbers.map((call): Disturbance => ({ kind, call, forMs }))),
    ),
  ];
}

export function describeDisturbance(disturbance: Disturbance): string {
  if (disturbance.kind === "kill") return "kill -9";
  return `${disturbance.kind}, ${disturbance.forMs === 0 ? "once" : `for ${disturbance.forMs / 1000} s`}`;
}

/** A message that a person can do something with, not a stack trace. */
export function isClear(message: string): boolean {
  return message !== "" && !/^\s+at |TypeError|\[object/.test(message);
}

function expectedNames(links: number): string[] {
  const services = Array.from({ length: links }, (_, index) => `s${index}`);
  return [
    "ConfigMap/chain-link-services",
    "ConfigMap/chain-link.chain-link",
    "Deployment/zipkin-deployment",
    "Pod/loadgenerator",
    "Service/zipkin-service",
    ...services.flatMap((name) => [`Deployment/${name}`, `Service/${name}`]),
  ].sort();
}

/** The error, without the level and the hint below it. */
function lastLine(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => line.startsWith("ERROR"));
  return (lines.at(-1) ?? stderr.trimEnd().split("\n").at(-1) ?? "").replace(/^ERROR\s+/, "");
}
