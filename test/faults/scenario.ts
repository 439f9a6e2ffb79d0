import { POD_FLAGS } from "../../src/cli/common/pod-flags.ts";
import { readWanted } from "../../src/cli/common/release-target.ts";
import { Output } from "../../src/cli/shell/output.ts";
import { resolveSettings } from "../../src/cli/shell/settings.ts";
import type { ApiClient } from "../../src/kubernetes/api/client.ts";
import { DEFAULT_RELEASE } from "../../src/kubernetes/labels.ts";
import { DEFAULT_SLEEP_SECONDS } from "../../src/kubernetes/load-generator.ts";
import { deploy } from "../../src/kubernetes/release/deploy.ts";
import type { DeployReporter, Target } from "../../src/kubernetes/release/deployment.ts";
import { hasChanges } from "../../src/kubernetes/release/plan.ts";
import { makePlan } from "../../src/kubernetes/release/planner.ts";
import { ReleaseStore } from "../../src/kubernetes/release/store.ts";
import { ApiProxy, type ApiProxyOptions, FAULTS, type Fault } from "../helpers/api-proxy.ts";
import { EXECUTABLE } from "../helpers/cli.ts";
import type { Lab } from "../helpers/lab.ts";
import { emptyTopology, PAUSE_IMAGE, ReleaseBench } from "../helpers/release.ts";
import type { TestNamespace } from "./test-namespace.ts";

/** State of a release. Only the load generator's pod has to start, which a different `sleepSeconds` replaces. */
interface ReleaseState {
  readonly shape: "chain" | "topology";
  readonly services: number;
  readonly sleepSeconds: number;
  readonly networkPolicy: "none" | "edges";
}

const LARGE = { services: 4, sleepSeconds: DEFAULT_SLEEP_SECONDS, networkPolicy: "none" } as const;
const SMALL = { services: 2, sleepSeconds: 7, networkPolicy: "none" } as const;

/**
 * The two states of each release. The third release also changes the kinds of its objects: from a ConfigMap to
 * NetworkPolicies.
 */
const RELEASES = {
  chain: { before: { ...LARGE, shape: "chain" }, after: { ...SMALL, shape: "chain" } },
  topology: { before: { ...LARGE, shape: "topology" }, after: { ...SMALL, shape: "topology" } },
  "chain to topology": {
    before: { ...SMALL, shape: "chain" },
    after: { ...LARGE, shape: "topology", networkPolicy: "edges" },
  },
} as const satisfies Record<string, { before: ReleaseState; after: ReleaseState }>;

type Command = "install" | "upgrade" | "rollback" | "delete";

/** A release and the command that is disturbed. */
export interface Scenario {
  readonly name: string;
  readonly command: Command;
  readonly before: ReleaseState;
  readonly after: ReleaseState;
}

export const SCENARIOS: readonly Scenario[] = (
  [
    ["chain", "install"],
    ["chain", "upgrade"],
    ["chain", "rollback"],
    ["chain", "delete"],
    ["topology", "install"],
    ["topology", "upgrade"],
    ["topology", "rollback"],
    ["topology", "delete"],
    ["chain to topology", "upgrade"],
    ["chain to topology", "rollback"],
    ["chain to topology", "delete"],
  ] as const
).map(([release, command]) => ({ name: `${release} | ${command}`, command, ...RELEASES[release] }));

/** A disturbance of a command: a kill after a call, or faults from one call on. */
export type Disturbance =
  | { readonly kind: "kill"; readonly call: number }
  | { readonly kind: Fault; readonly call: number; readonly forMs: number };

export interface Outcome {
  /** How the disturbed command ended. If it failed, `message` has its error. */
  readonly end: "killed" | "done" | "failed";
  readonly message: string;
  /** Whether the command reached the disturbed call; the number of calls varies by one or two. */
  readonly isReached: boolean;
  /** Problems that remain after the next undisturbed command. */
  readonly problems: readonly string[];
  /** Duration of the undisturbed command. */
  readonly recoverySeconds: number;
}

/** An external collector, so that no collector pod has to start. */
const ELSEWHERE = "http://zipkin.elsewhere";
const PLAN_OPTIONS = { forceConflicts: false, takeOwnership: false };
/** A busy machine may need minutes for a few objects. */
const PREPARE_MS = 300_000;
/** Shorter than the lasting faults, longer than any answer on a busy machine. */
export const REQUEST_SECONDS = 5;

/** One namespace in which commands are disturbed, one after the other. */
export class FaultBench implements Disposable {
  readonly #bench: ReleaseBench;
  readonly #store: ReleaseStore;

  constructor(
    readonly lab: Lab,
    readonly namespace: TestNamespace,
    /** Client that bypasses the proxy. */
    client: ApiClient,
  ) {
    this.#bench = new ReleaseBench(lab, namespace.name);
    this.#store = new ReleaseStore(client, namespace.name, DEFAULT_RELEASE);
  }

  /** Returns the number of API calls of the undisturbed command. */
  async countCalls(scenario: Scenario): Promise<number> {
    await this.#prepare(scenario);
    const { calls, end, message } = await this.#runThroughProxy(scenario, {});
    if (end !== "done") throw new Error(`an undisturbed ${scenario.name} ended as ${end}: ${message}`);
    return calls;
  }

  async run(scenario: Scenario, disturbance: Disturbance): Promise<Outcome> {
    await this.#prepare(scenario);
    const { end, message, calls } = await this.#runThroughProxy(
      scenario,
      disturbance.kind === "kill"
        ? { killAfter: disturbance.call }
        : { faults: { fault: disturbance.kind, from: disturbance.call, forMs: disturbance.forMs } },
    );
    const startMs = performance.now();
    const problems = await (scenario.command === "delete"
      ? this.#deleteRest(end)
      : this.#deployRest(scenario, end));
    const recoverySeconds = Math.round((performance.now() - startMs) / 1000);
    const isReached = disturbance.kind === "kill" ? end === "killed" : calls >= disturbance.call;
    return { end, message, isReached, problems, recoverySeconds };
  }

  [Symbol.dispose](): void {
    this.#bench[Symbol.dispose]();
  }

  async #prepare(scenario: Scenario): Promise<void> {
    await this.namespace.wipe();
    const { command, before, after } = scenario;
    if (command === "install") return;
    await this.#deploy(before);
    if (command === "rollback") await this.#deploy(after);
  }

  /** Runs in this process: preparation is not under test and needs no process of its own. */
  async #deploy(state: ReleaseState): Promise<void> {
    const target = await this.#target(state);
    const plan = await makePlan(this.#store, target.objects, PLAN_OPTIONS);
    await deploy(this.#store, target, plan, {
      ...PLAN_OPTIONS,
      wait: true,
      timeoutMs: PREPARE_MS,
      stop: new AbortController().signal,
      report: SILENT,
    });
  }

  /** Resolves the state to a target, as the command line would. */
  async #target(state: ReleaseState): Promise<Target> {
    const { services, sleepSeconds, networkPolicy } = state;
    const flags = {
      instances: services,
      namespace: this.namespace.name,
      release: DEFAULT_RELEASE,
      "chain-link-image": PAUSE_IMAGE,
      "sleep-time": sleepSeconds,
      collector: { url: ELSEWHERE },
      "collector-storage": null,
      "collector-storage-class": null,
      "network-policy": networkPolicy,
      canary: false,
      slow: "on",
      ...resolveSettings(POD_FLAGS, { given: new Map(), environment: {}, idle: new Set(), file: null })
        .values,
    } as const;
    return (await readWanted(this.#bench.topology(emptyDocument(state)), flags, [], new Output("quiet")))
      .target;
  }

  #deployCommand(state: ReleaseState): string[] {
    const { sleepSeconds, networkPolicy } = state;
    const file = this.#bench.topology(emptyDocument(state));
    const what = ["--chain-link-image", PAUSE_IMAGE, "--sleep-time", String(sleepSeconds)];
    return ["deploy", file, ...what, "--network-policy", networkPolicy, "--collector", ELSEWHERE, "--yes"];
  }

  /** Returns the command to disturb. */
  #command({ command, before, after }: Scenario): string[] {
    const commands: Readonly<Record<Command, string[]>> = {
      install: this.#deployCommand(before),
      upgrade: this.#deployCommand(after),
      rollback: ["rollback", "--yes"],
      delete: ["delete", "--yes"],
    };
    return commands[command];
  }

  /** Checks that one undisturbed command removes everything that a disturbed `delete` left. */
  async #deleteRest(end: Outcome["end"]): Promise<string[]> {
    const problems: string[] = [];
    const { exitCode, stderr } = await this.#bench.run("delete", "--yes");
    // The disturbed command may have finished before it was killed.
    const isGone = stderr.includes("there is no release");
    if (exitCode !== 0 && !isGone) problems.push(`delete ended with ${exitCode}: ${lastLine(stderr)}`);
    if (end === "done" && !isGone) problems.push("delete said that it was done, but something was left");
    const left = await this.namespace.list();
    if (left.length > 0) problems.push(`left behind: ${left.join(", ")}`);
    return problems;
  }

  /** Checks that one undisturbed command reaches the desired state. */
  async #deployRest(scenario: Scenario, end: Outcome["end"]): Promise<string[]> {
    const problems: string[] = [];
    const wanted = scenario.command === "upgrade" ? scenario.after : scenario.before;
    const { exitCode, stderr } = await this.#bench.run(...this.#deployCommand(wanted));
    if (exitCode !== 0) problems.push(`deploy ended with ${exitCode}: ${lastLine(stderr)}`);
    if (end === "done" && !stderr.includes("Nothing to change")) {
      problems.push("the command said that it was done, but something was left to do");
    }
    const { objects } = await this.#target(wanted);
    const plan = await makePlan(this.#store, objects, PLAN_OPTIONS);
    if (hasChanges(plan)) problems.push("a dry run finds something to change");
    const names = (await this.namespace.list()).filter((name) => !name.startsWith("Secret/"));
    const expected = expectedNames(wanted);
    if (!Bun.deepEquals(names, expected)) {
      problems.push(`there is ${names.join(", ")} instead of ${expected.join(", ")}`);
    }
    const statuses = plan.revisions.map(({ status }) => status);
    const isRecorded = statuses[0] === "deployed" && statuses.filter((it) => it === "deployed").length === 1;
    if (!isRecorded || statuses.includes("pending"))
      problems.push(`the revisions are ${statuses.join(", ")}`);
    return problems;
  }

  async #runThroughProxy(
    scenario: Scenario,
    options: { readonly killAfter?: number; readonly faults?: ApiProxyOptions["faults"] },
  ): Promise<{ end: Outcome["end"]; message: string; calls: number }> {
    const { killAfter, faults } = options;
    let kill = () => {};
    // Counts answers instead of calls: a watch that is canceled before its answer would never trigger the kill, and
    // every later answer would be withheld.
    let answers = 0;
    const proxy = await ApiProxy.start(this.lab.kubeconfig, {
      ...(faults === undefined ? {} : { faults }),
      onAnswered: () => {
        answers += 1;
        if (answers === killAfter) kill();
        return killAfter === undefined || answers < killAfter;
      },
    });
    try {
      const bench = this.#bench;
      const kubeconfig = proxy.writeKubeconfig(`${bench.topology("")}.kubeconfig`);
      const viaProxy = bench.arguments([
        ...this.#command(scenario),
        "--request-timeout",
        `${REQUEST_SECONDS}s`,
      ]);
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
}

const SILENT: DeployReporter = {
  onNamespaceCreated() {},
  onApplied() {},
  onDeleted() {},
  onLockWait() {},
  onResume() {},
  onReplan() {},
  onWait() {},
  onProgress() {},
  onWaitEnd() {},
};

/** Lists every disturbance of a command with this many calls, lasting ones last. */
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

/** Whether a person can act on the message; a stack trace does not count. */
export function isClear(message: string): boolean {
  return message !== "" && !/^\s+at |TypeError|\[object/.test(message);
}

export function isGood({ end, message, problems }: Outcome): boolean {
  return problems.length === 0 && (end !== "failed" || isClear(message));
}

function emptyDocument({ shape, services }: ReleaseState): string {
  if (shape === "topology") return emptyTopology(services);
  const content = `chain: ${services}\ndefaults: { replicas: 0 }`;
  return `apiVersion: chain-link.dev/v1\nkind: Topology\nmetadata: { name: empty }\n${content}\n`;
}

function expectedNames({ shape, services, networkPolicy }: ReleaseState): string[] {
  const numbers = Array.from({ length: services }, (_, index) => index);
  const links =
    shape === "chain"
      ? numbers.flatMap((it) => [
          `Deployment/chain-link-deployment-${it}`,
          `Service/chain-link-service-${it}`,
        ])
      : numbers.flatMap((it) => [`Deployment/s${it}`, `Service/s${it}`]);
  const policies = ["loadgenerator", ...numbers.map((it) => `s${it}`)].map((it) => `NetworkPolicy/${it}`);
  return [
    "ConfigMap/chain-link.chain-link",
    ...(shape === "chain" ? ["ConfigMap/chain-link-services"] : []),
    "Pod/loadgenerator",
    ...links,
    ...(networkPolicy === "edges" ? policies : []),
  ].sort();
}

/** Returns the error without its level and without the hint below it. */
function lastLine(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => line.startsWith("ERROR"));
  return (lines.at(-1) ?? stderr.trimEnd().split("\n").at(-1) ?? "").replace(/^ERROR\s+/, "");
}
