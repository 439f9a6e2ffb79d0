import { joinLines } from "../../lib/visible-text.ts";
import { CLUSTER_FLAGS, openRelease } from "../common/cluster-flags.ts";
import { RELEASE_FLAGS } from "../common/release-flags.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import { CONFIG_FILE_FLAG, outputFlag } from "../shell/global-flags.ts";
import { renderTable } from "../shell/table.ts";

export const history = defineCommand({
  examples: [{ line: "chain-link history -n shop", says: "list the revisions of a release, newest last" }],
  configFile: "reads",
  flags: {
    namespace: RELEASE_FLAGS.namespace,
    ...CLUSTER_FLAGS,
    output: outputFlag(["table", "json", "yaml"], "table", "Output format of the revisions."),
    ...CONFIG_FILE_FLAG,
  },
  async run({ flags, output }) {
    const { store } = await openRelease(flags, output);
    const revisions = (await store.listRevisions()).toReversed();
    if (revisions.length === 0) {
      const { missingRelease } = await import("../../kubernetes/release/release-namespace.ts");
      throw await missingRelease(store);
    }
    if (flags.output !== "table") {
      const { renderData } = await import("../common/data-output.ts");
      const rows = revisions.map(({ number, status, created, reason, inputs }) => ({
        revision: number,
        status,
        created,
        ...(inputs === null ? {} : { inputs: { ...inputs } }),
        ...(reason === "" ? {} : { reason }),
      }));
      await output.result(renderData(flags.output, rows));
      return EXIT.done;
    }
    const columns = ["REVISION", "CREATED", "STATUS", "TOPOLOGY", "LINKS", "IMAGE", "NOTE"];
    const rows = revisions.map(({ number, created, status, inputs, reason }) => [
      String(number),
      created,
      status,
      inputs?.topology ?? "-",
      inputs === null ? "-" : String(inputs.links),
      inputs?.image ?? "-",
      shorten([inputs?.note ?? "", reason].filter((text) => text !== "").join("; ")),
    ]);
    const table = renderTable(
      columns.map((title) => ({ title })),
      rows,
    );
    await output.result(joinLines(table));
    return EXIT.done;
  },
});

/** Shortens a note to one line; `-o json` has the full text. */
function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, " ");
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}
