import { CLUSTER_FLAGS, openRelease } from "../common/cluster-flags.ts";
import { describeRelease, RELEASE_FLAGS } from "../common/release-flags.ts";
import { readWanted } from "../common/release-target.ts";
import { idleWithTopology, TOPOLOGY_OPERAND } from "../common/topology-input.ts";
import { defineCommand } from "../shell/command.ts";
import { CONFIG_FILE_FLAG, outputFlag } from "../shell/global-flags.ts";
import { PLAN_FLAGS } from "./plan-flags.ts";
import { runDryRun } from "./run-dry-run.ts";

export const dryRun = defineCommand({
  examples: [
    { line: "chain-link dry-run --instances 9", says: "show what 'deploy' would change, field by field" },
    { line: "chain-link dry-run shop.yaml -n shop -o json", says: "print the changes as JSON" },
  ],
  operands: TOPOLOGY_OPERAND,
  configFile: "creates",
  idleFlags: idleWithTopology,
  flags: {
    ...RELEASE_FLAGS,
    ...CLUSTER_FLAGS,
    ...PLAN_FLAGS,
    output: outputFlag(["table", "json", "yaml"], "table", "Output format of the plan."),
    ...CONFIG_FILE_FLAG,
  },
  async run({ flags, operands, settings, output }) {
    const { topology, target } = await readWanted(operands[0], flags, settings, output);
    describeRelease(topology.services.size, flags, output);
    return runDryRun(() => openRelease(flags, output), target, flags, output);
  },
});
