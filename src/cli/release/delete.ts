import { CLUSTER_FLAGS, openRelease, WAIT_FLAGS, YES_FLAG } from "../common/cluster-flags.ts";
import { RELEASE_FLAGS, UNUSED_RELEASE_FLAGS } from "../common/release-flags.ts";
import { ask, canAsk } from "../shell/ask.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import { switchFlag } from "../shell/flags.ts";
import { CONFIG_FILE_FLAG, outputFlag } from "../shell/global-flags.ts";
import { watchInterrupts } from "../shell/interrupt.ts";

export const deleteRelease = defineCommand({
  examples: [
    { line: "chain-link delete", says: "the release in the namespace chain-link; the namespace stays" },
    {
      line: "chain-link delete -n shop --yes --delete-namespace",
      says: "with its namespace, if deploy made it",
    },
  ],
  usesConfigFile: true,
  idleFlags: () => UNUSED_RELEASE_FLAGS,
  flags: {
    ...RELEASE_FLAGS,
    ...CLUSTER_FLAGS,
    "delete-namespace": switchFlag({ summary: "Delete the namespace, too, if this release made it." }),
    "delete-storage": switchFlag({ summary: "Delete the collector's volume, too, with its spans." }),
    wait: switchFlag({ summary: "Wait until all pods have ended.", fallback: true }),
    ...WAIT_FLAGS,
    ...YES_FLAG,
    output: outputFlag(
      ["table", "json", "yaml"],
      "table",
      "json, yaml: what was deleted, on standard output.",
    ),
    ...CONFIG_FILE_FLAG,
  },
  async run({ flags, output }) {
    const [{ listClaims, planRemoval, removeRelease }, { removeNamespace }, { Interrupted }, { ReleaseLog }] =
      await Promise.all([
        import("../../kubernetes/release/remove.ts"),
        import("../../kubernetes/release/release-namespace.ts"),
        import("../../kubernetes/release/operation.ts"),
        import("./release-log.ts"),
      ]);
    const { store } = await openRelease(flags, output);
    const { namespace, release } = store;
    const { members } = await planRemoval(store, flags["delete-storage"]);
    if (!flags.yes && canAsk(output)) {
      const question = `Delete release '${release}' with ${members.length} objects${flags["delete-storage"] ? " and its spans" : ""} from namespace '${namespace}'?`;
      if (!(await ask(question, output))) return EXIT.failed;
    }
    const stop = new AbortController();
    const log = new ReleaseLog(output, namespace);
    void watchInterrupts(() => log.onWaitEnd()).signal.then(() => {
      log.onWaitEnd();
      output.warn("Stopping when the requests under way are done; Ctrl-C again stops at once");
      stop.abort();
    });
    const options = {
      wait: flags.wait,
      withStorage: flags["delete-storage"],
      timeoutMs: flags.timeout,
      stop: stop.signal,
      report: log,
    };
    try {
      await removeRelease(store, options);
      output.info(`Release '${release}' was deleted from namespace '${namespace}'`);
      const claims = flags["delete-storage"] || flags["delete-namespace"] ? [] : await listClaims(store);
      for (const claim of claims)
        output.info(`PersistentVolumeClaim '${claim}' stays: the same release finds its spans again`);
      if (flags["delete-namespace"]) await removeNamespace(store, options);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      output.warn("Interrupted. The same command deletes the rest");
      return EXIT.interrupted;
    }
    if (flags.output !== "table") {
      const { renderData } = await import("../common/data-output.ts");
      await output.result(renderData(flags.output, { release, namespace, deleted: log.counts.deleted }));
    }
    return EXIT.done;
  },
});
