import type { KubernetesObject } from "../../kubernetes/object.ts";
import type { TrackedObject } from "../../kubernetes/release/tracker.ts";
import { CLUSTER_FLAGS, openRelease } from "../common/cluster-flags.ts";
import { describeRelease, RELEASE_FLAGS } from "../common/release-flags.ts";
import { readWanted } from "../common/release-target.ts";
import { idleWithTopology, TOPOLOGY_OPERAND } from "../common/topology-input.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import { CONFIG_FILE_FLAG, outputFlag } from "../shell/global-flags.ts";
import type { Output } from "../shell/output.ts";

export const validate = defineCommand({
  examples: [
    { line: "chain-link validate", says: "check what was deployed" },
    { line: "chain-link validate --instances 5", says: "check that a chain of 5 is running" },
  ],
  operands: TOPOLOGY_OPERAND,
  configFile: "creates",
  idleFlags: idleWithTopology,
  flags: {
    ...RELEASE_FLAGS,
    ...CLUSTER_FLAGS,
    output: outputFlag(
      ["table", "json", "yaml"],
      "table",
      "json, yaml: print every object to standard output.",
    ),
    ...CONFIG_FILE_FLAG,
  },
  async run({ flags, operands, settings, output }) {
    const { inspectRelease } = await import("../../kubernetes/release/inspection.ts");
    const wanted = await readWanted(operands[0], flags, settings, output);
    const isNamed =
      operands.length > 0 ||
      settings.some(({ name, origin }) => name === "instances" && origin === "--instances");
    const { store } = await openRelease(flags, output);
    const found = await inspectRelease(store, isNamed ? wanted.target : null, wanted.target);
    const { inputs, objects } = found;
    const shown = {
      namespace: flags.namespace,
      "chain-link-image": inputs.image,
      "sleep-time": inputs.sleepSeconds,
    };
    describeRelease(inputs.links, shown, output);
    output.info("Validating chain-link configuration...");
    const isReady = reportAll(objects, output);
    if (flags.output !== "table") {
      const { renderData } = await import("../common/data-output.ts");
      const rows = objects.map(({ kind, name, readiness, trouble }) => ({
        kind,
        name,
        state: readiness.state,
        ...(readiness.state === "current" ? {} : { reason: trouble || readiness.message }),
      }));
      await output.result(renderData(flags.output, { ready: isReady, objects: rows }));
    }
    return isReady ? EXIT.done : EXIT.failed;
  },
});

/** Prints the original's lines in its order, then the objects that the original does not check. */
function reportAll(objects: readonly TrackedObject[], output: Output): boolean {
  const of = (...kinds: readonly KubernetesObject["kind"][]) =>
    objects.filter(({ kind }) => kinds.includes(kind));
  output.info("Validating deployments...");
  const areDeploymentsReady = report(of("Deployment"), "is not ready", output);
  if (areDeploymentsReady) output.info("Deployments ready");
  else output.error("Deployments not ready");
  output.info("Validating pods...");
  const arePodsReady = report(of("Pod", "Job"), "is not running", output);
  if (arePodsReady) output.info("Pods ready");
  else output.error("Pods not ready");
  output.info("Validating services and configuration...");
  const areOthersReady = report(
    of("Service", "ConfigMap", "NetworkPolicy", "PersistentVolumeClaim"),
    "is not ready",
    output,
  );
  if (areOthersReady) output.info("Services and configuration ready");
  else output.error("Services and configuration not ready");
  const isReady = areDeploymentsReady && arePodsReady && areOthersReady;
  if (isReady) output.info("All objects ready");
  return isReady;
}

function report(objects: readonly TrackedObject[], problem: string, output: Output): boolean {
  const unready = objects.filter(({ readiness }) => readiness.state !== "current");
  for (const { kind, name, readiness, trouble } of unready) {
    output.warn(`${kind} '${name}' ${problem}: ${trouble || readiness.message}`);
  }
  return unready.length === 0;
}
