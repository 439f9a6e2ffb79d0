import { ApiClient } from "../../src/kubernetes/api/client.ts";
import { openCluster } from "../../src/kubernetes/api/kubeconfig.ts";
import type { Lab } from "../helpers/lab.ts";
import { FaultBench } from "./scenario.ts";
import { TestNamespace } from "./test-namespace.ts";

/** Of this process: a namespace takes its time to go, so its name is not used again. */
let made = 0;

export type BenchTask = (bench: FaultBench) => Promise<void>;

/**
 * Does tasks in so many namespaces at the same time, each in one that it has for itself meanwhile. `tasks` may be
 * emptied to end early.
 */
export async function runInBenches(
  lab: Lab,
  prefix: string,
  width: number,
  tasks: BenchTask[],
): Promise<void> {
  const client = new ApiClient(openCluster({ file: lab.kubeconfig, context: null, environment: {} }));
  const work = async () => {
    const namespace = await TestNamespace.create(client, `${prefix}-${process.pid}-${made++}`);
    using bench = new FaultBench(lab, namespace, client);
    try {
      for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) await task(bench);
    } finally {
      await namespace.remove();
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(width, tasks.length) }, () => work()));
  const failed = ended.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
