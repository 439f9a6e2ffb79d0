import { ApiClient } from "../../src/kubernetes/api/client.ts";
import { openCluster } from "../../src/kubernetes/api/kubeconfig.ts";
import type { Lab } from "../helpers/lab.ts";
import { FaultBench } from "./scenario.ts";
import { TestNamespace } from "./test-namespace.ts";

/** Counts the namespaces of this process. Deleting a namespace takes time, so its name is not reused. */
let made = 0;

export type BenchTask = (bench: FaultBench) => Promise<void>;

/** Runs tasks concurrently in a number of namespaces, each task alone in its namespace. Empty `tasks` to stop early. */
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
