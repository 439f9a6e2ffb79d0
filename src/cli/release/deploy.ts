import { CLUSTER_FLAGS, openRelease, WAIT_FLAGS, YES_FLAG } from "../common/cluster-flags.ts";
import { describeRelease, RELEASE_FLAGS } from "../common/release-flags.ts";
import { readWanted } from "../common/release-target.ts";
import { idleWithTopology, TOPOLOGY_OPERAND } from "../common/topology-input.ts";
import { defineCommand } from "../shell/command.ts";
import { switchFlag } from "../shell/flags.ts";
import { CONFIG_FILE_FLAG, outputFlag } from "../shell/global-flags.ts";
import { PLAN_FLAGS, planOptions } from "./plan-flags.ts";
import { runDeploy } from "./run-deploy.ts";

export const deploy = defineCommand({
  examples: [
    { line: "chain-link deploy --instances 5", says: "a chain of 5 into the namespace chain-link" },
    {
      line: "chain-link deploy --instances 9",
      says: "the same release with 4 more; only what differs is sent",
    },
    {
      line: "chain-link deploy shop.yaml -n shop --rollback-on-failure",
      says: "a topology, or what was there before",
    },
  ],
  operands: TOPOLOGY_OPERAND,
  usesConfigFile: true,
  idleFlags: idleWithTopology,
  flags: {
    ...RELEASE_FLAGS,
    ...CLUSTER_FLAGS,
    ...PLAN_FLAGS,
    wait: switchFlag({ summary: "Wait until all is ready.", fallback: true }),
    ...WAIT_FLAGS,
    "rollback-on-failure": switchFlag({
      summary: "When it fails, apply the last deployed revision again, or remove a first one.",
    }),
    "dry-run": switchFlag({ summary: "Show what would be done and exit, as chain-link dry-run." }),
    ...YES_FLAG,
    output: outputFlag(["table", "json", "yaml"], "table", "json, yaml: what was done, on standard output."),
    ...CONFIG_FILE_FLAG,
  },
  async run({ flags, operands, settings, output }) {
    const { topology, target } = await readWanted(operands[0], flags, settings, output);
    describeRelease(topology.services.size, flags, output);
    if (flags["dry-run"]) {
      const { runDryRun } = await import("./run-dry-run.ts");
      return runDryRun(() => openRelease(flags, output), target, flags, output);
    }
    const opened = await openRelease(flags, output);
    output.info("Deploying chain-link to Kubernetes cluster...");
    return runDeploy({
      ...opened,
      flags: { ...flags, ...planOptions(flags) },
      output,
      prepare: async () => {
        const { makePlan } = await import("../../kubernetes/release/planner.ts");
        return { target, plan: await makePlan(opened.store, target.objects, planOptions(flags)) };
      },
    });
  },
});
