import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Finished } from "./cli.ts";
import { EXECUTABLE, runCli, temporaryFolder } from "./cli.ts";
import type { Lab } from "./lab.ts";

/**
 * An image of the lab that runs without arguments, rights or a writable file system. As a link it never becomes ready.
 */
export const PAUSE_IMAGE = "registry.k8s.io/pause:3.10";

/** Returns a topology whose services have no pods. */
export function emptyTopology(services: number): string {
  const entries = Array.from({ length: services }, (_, index) => {
    const calls = index + 1 < services ? `, calls: [s${index + 1}]` : "";
    return `  s${index}: { replicas: 0${index === 0 ? ", entry: true" : ""}${calls} }`;
  });
  return `apiVersion: chain-link.dev/v1\nkind: Topology\nmetadata: { name: empty }\nservices:\n${entries.join("\n")}\n`;
}

/** Runs commands against the lab in one namespace. Its settings file does not outlive a test. */
export class ReleaseBench {
  readonly #folder = temporaryFolder();

  constructor(
    readonly lab: Lab,
    readonly namespace: string,
    /** A kubeconfig of another user or of a proxy may replace the lab's own. */
    readonly kubeconfig = lab.kubeconfig,
  ) {}

  run(...args: readonly string[]): Promise<Finished> {
    return this.runWith({}, ...args);
  }

  runWith(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Finished> {
    return runCli(this.arguments(args), { env });
  }

  /** Runs a command that reads no settings file. */
  runPlain(...args: readonly string[]): Promise<Finished> {
    return runCli([...args, ...this.#place]);
  }

  /** Starts a command that reads no settings file. */
  spawnPlain(...args: readonly string[]): Bun.Subprocess {
    return Bun.spawn([EXECUTABLE, ...args, ...this.#place], { stdio: ["ignore", "ignore", "ignore"] });
  }

  get #place(): string[] {
    return ["--namespace", this.namespace, "--kubeconfig", this.kubeconfig];
  }

  /** Returns the arguments of a command line. */
  arguments([command = "", ...rest]: readonly string[]): string[] {
    const settings = join(this.#folder.path, "settings.conf");
    return [command, ...rest, ...this.#place, "--config-file", settings];
  }

  /** Writes a topology document and returns its path. */
  topology(text: string): string {
    const path = join(this.#folder.path, `${Bun.hash(text)}.yaml`);
    writeFileSync(path, text);
    return path;
  }

  /** Returns the names of the release's objects as `Kind/name`, including those of its record. */
  async list(): Promise<string[]> {
    const kinds = "configmaps,deployments,services,pods,networkpolicies,secrets,leases";
    const { items } = await this.lab.query("get", kinds, "-n", this.namespace);
    return items
      .filter(({ metadata }: { metadata: { name: string; ownerReferences?: unknown } }) => {
        return metadata.ownerReferences === undefined && metadata.name !== "kube-root-ca.crt";
      })
      .map(({ kind, metadata }: { kind: string; metadata: { name: string } }) => `${kind}/${metadata.name}`)
      .sort();
  }

  async removeNamespace(...more: readonly string[]): Promise<void> {
    const args = ["delete", "namespace", this.namespace, "--ignore-not-found", "--timeout=60s", ...more];
    await this.lab.kubectl(args, { mayFail: true });
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

/** The namespaces of one group of tests, which are removed together. */
export class ReleaseBenches {
  readonly #made: ReleaseBench[] = [];

  constructor(readonly lab: Lab) {}

  /** Opens a new namespace; its name contains the process ID. */
  open(title: string): ReleaseBench {
    return this.#keep(new ReleaseBench(this.lab, `${title}-${process.pid}`));
  }

  /** Opens the same namespace for another user or through a proxy. */
  reopen({ namespace }: ReleaseBench, kubeconfig: string): ReleaseBench {
    return this.#keep(new ReleaseBench(this.lab, namespace, kubeconfig));
  }

  async remove(): Promise<void> {
    for (const bench of this.#made) {
      await bench.removeNamespace("--wait=false");
      bench[Symbol.dispose]();
    }
  }

  #keep(bench: ReleaseBench): ReleaseBench {
    this.#made.push(bench);
    return bench;
  }
}
