import { CLUSTER_FLAGS, openRelease, WAIT_FLAGS, YES_FLAG } from "../common/cluster-flags.ts";
import { RELEASE_FLAGS } from "../common/release-flags.ts";
import { ask, canAsk } from "../shell/ask.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import { switchFlag } from "../shell/flags.ts";
import { CONFIG_FILE_FLAG, outputFlag } from "../shell/global-flags.ts";
import { watchInterrupts } from "../shell/interrupt.ts";

export const deleteRelease = defineCommand({
  examples: [
    { line: "chain-link delete", says: "delete the release, but keep its namespace" },
    {
      line: "chain-link delete -n shop --yes --delete-namespace",
      says: "also delete its namespace, if 'deploy' created it",
    },
  ],
  configFile: "reads",
  flags: {
    namespace: RELEASE_FLAGS.namespace,
    ...CLUSTER_FLAGS,
    "delete-namespace": switchFlag({ summary: "Also delete the namespace, if this release created it." }),
    "delete-storage": switchFlag({ summary: "Also delete the collector's volume and its spans." }),
    wait: switchFlag({ summary: "Wait until all pods are gone.", fallback: true }),
    ...WAIT_FLAGS,
    ...YES_FLAG,
    output: outputFlag(
      ["table", "json", "yaml"],
      "table",
      "json, yaml: print the result to standard output.",
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
      output.warn("Stopping after the requests in flight; press Ctrl-C again to stop immediately");
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
        output.info(`PersistentVolumeClaim '${claim}' was kept: deploy the release again to reuse its spans`);
      if (flags["delete-namespace"]) await removeNamespace(store, options);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      output.warn("Interrupted. Run the same command again to delete the rest");
      return EXIT.interrupted;
    }
    if (flags.output !== "table") {
      const { renderData } = await import("../common/data-output.ts");
      await output.result(renderData(flags.output, { release, namespace, deleted: log.counts.deleted }));
    }
    return EXIT.done;
  },
});
