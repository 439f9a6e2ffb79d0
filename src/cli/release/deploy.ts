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
    { line: "chain-link deploy --instances 5", says: "install a chain of 5" },
    {
      line: "chain-link deploy --instances 9",
      says: "add 4 links to the release; only differences are applied",
    },
    {
      line: "chain-link deploy shop.yaml -n shop --rollback-on-failure",
      says: "install a topology; roll back if it fails",
    },
  ],
  operands: TOPOLOGY_OPERAND,
  configFile: "creates",
  idleFlags: idleWithTopology,
  flags: {
    ...RELEASE_FLAGS,
    ...CLUSTER_FLAGS,
    ...PLAN_FLAGS,
    wait: switchFlag({ summary: "Wait until every object is ready.", fallback: true }),
    ...WAIT_FLAGS,
    "rollback-on-failure": switchFlag({
      summary: "If it fails, roll back to the last deployed revision; delete a failed first deploy.",
    }),
    "dry-run": switchFlag({ summary: "Show what would change and exit, like 'chain-link dry-run'." }),
    ...YES_FLAG,
    output: outputFlag(
      ["table", "json", "yaml"],
      "table",
      "json, yaml: print the result to standard output.",
    ),
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
