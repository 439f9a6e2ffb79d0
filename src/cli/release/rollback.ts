import { UserError } from "../../lib/errors.ts";
import { CLUSTER_FLAGS, openRelease, WAIT_FLAGS, YES_FLAG } from "../common/cluster-flags.ts";
import { RELEASE_FLAGS } from "../common/release-flags.ts";
import { defineCommand } from "../shell/command.ts";
import { switchFlag } from "../shell/flags.ts";
import { CONFIG_FILE_FLAG, outputFlag } from "../shell/global-flags.ts";
import { PLAN_FLAGS, planOptions } from "./plan-flags.ts";
import { runDeploy } from "./run-deploy.ts";

export const rollback = defineCommand({
  examples: [
    { line: "chain-link rollback", says: "roll back to the previous deployed revision" },
    { line: "chain-link rollback 3 -n shop", says: "apply revision 3 as a new revision" },
  ],
  operands: {
    usage: "[REVISION]",
    summary: "Revision number from 'chain-link history'; otherwise the previous deployed revision.",
    min: 0,
    max: 1,
  },
  configFile: "reads",
  flags: {
    namespace: RELEASE_FLAGS.namespace,
    ...CLUSTER_FLAGS,
    ...PLAN_FLAGS,
    wait: switchFlag({ summary: "Wait until every object is ready.", fallback: true }),
    ...WAIT_FLAGS,
    ...YES_FLAG,
    output: outputFlag(
      ["table", "json", "yaml"],
      "table",
      "json, yaml: print the result to standard output.",
    ),
    ...CONFIG_FILE_FLAG,
  },
  async run({ flags, operands, output }) {
    const number = parseRevision(operands[0]);
    const [{ chooseRevision, readTarget }, { makePlan }] = await Promise.all([
      import("../../kubernetes/release/rollback.ts"),
      import("../../kubernetes/release/planner.ts"),
    ]);
    const opened = await openRelease(flags, output);
    const { store } = opened;
    return runDeploy({
      ...opened,
      flags: { ...flags, ...planOptions(flags), "rollback-on-failure": false },
      output,
      prepare: async () => {
        const revision = await chooseRevision(store, await store.listRevisions(), number);
        output.info(`Rolling release '${store.release}' back to revision ${revision.number}...`);
        const target = await readTarget(store, revision);
        return { target, plan: await makePlan(store, target.objects, planOptions(flags)) };
      },
    });
  },
});

function parseRevision(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UserError("usage", `REVISION: expected a number such as 3, found ${JSON.stringify(text)}`);
}
