import type { ApiClient } from "../../kubernetes/api/client.ts";
import type { DeployOptions, Target } from "../../kubernetes/release/deployment.ts";
import type { Plan, PlanOptions } from "../../kubernetes/release/plan.ts";
import type { ReleaseStore } from "../../kubernetes/release/store.ts";
import { ask, canAsk } from "../shell/ask.ts";
import { EXIT } from "../shell/exit.ts";
import { watchInterrupts } from "../shell/interrupt.ts";
import type { Output } from "../shell/output.ts";

interface DeployRun {
  readonly client: ApiClient;
  readonly store: ReleaseStore;
  readonly flags: PlanOptions & {
    readonly wait: boolean;
    readonly timeout: number;
    readonly "rollback-on-failure": boolean;
    readonly yes: boolean;
    readonly output: "table" | "json" | "yaml";
  };
  readonly output: Output;
  /** Makes the target and the plan to reach it. */
  readonly prepare: () => Promise<{ readonly target: Target; readonly plan: Plan }>;
}

/** Deploys, shows progress and reports the result; resolves to the exit code. */
export async function runDeploy({ client, store, flags, output, prepare }: DeployRun): Promise<number> {
  const [{ deploy }, { DeployFailed }, { Interrupted }, { ReleaseLog }] = await Promise.all([
    import("../../kubernetes/release/deploy.ts"),
    import("../../kubernetes/release/deployment.ts"),
    import("../../kubernetes/release/operation.ts"),
    import("./release-log.ts"),
  ]);
  const { namespace, release } = store;
  const { target, plan } = await prepare();
  if (!(await confirmRemovals(plan, flags.yes, output))) return EXIT.failed;
  const stop = new AbortController();
  const log = new ReleaseLog(output, namespace);
  void watchInterrupts(() => log.onWaitEnd()).signal.then(() => {
    log.onWaitEnd();
    output.warn("Stopping after the requests in flight; press Ctrl-C again to stop immediately");
    stop.abort();
  });
  const options: DeployOptions = {
    ...flags,
    timeoutMs: flags.timeout,
    stop: stop.signal,
    report: log,
  };
  try {
    const { revision } = await deploy(store, target, plan, options);
    const { counts } = log;
    const unchanged = revision === null ? plan.objects.length : counts.unchanged;
    const current = revision ?? plan.revisions[0]?.number ?? 0;
    if (revision === null) output.info(`Nothing to change: ${unchanged} objects are up to date`);
    output.info(
      `Release '${release}' revision ${current} is deployed${flags.wait ? " and ready" : ""}: ` +
        `${counts.created} created, ${counts.updated} updated, ${unchanged} unchanged, ${counts.deleted} deleted`,
    );
    output.detail(`${client.requests} requests`);
    if (flags.output !== "table") {
      const { renderData } = await import("../common/data-output.ts");
      const facts = { release, namespace, revision: current, ...counts, unchanged };
      await output.result(renderData(flags.output, facts));
    }
    return EXIT.done;
  } catch (error) {
    if (error instanceof Interrupted) return sayInterrupted(output);
    if (!(error instanceof DeployFailed)) throw error;
    const { showFailure } = await import("./failure-screen.ts");
    await showFailure(error, client, namespace, output);
    if (!flags["rollback-on-failure"] || !error.isNew) {
      output.print(
        "The cluster was left as is. Fix the problem and deploy again, or run 'chain-link rollback'.\n",
      );
      return EXIT.failed;
    }
    const { restore } = await import("../../kubernetes/release/rollback.ts");
    output.info("Rolling back...");
    try {
      const { restored } = await restore(store, { ...options, report: log });
      output.info(
        restored === null
          ? "Removed everything that this first deploy created"
          : `Rolled back to revision ${restored}`,
      );
    } catch (second) {
      if (second instanceof Interrupted) return sayInterrupted(output);
      if (!(second instanceof DeployFailed)) throw second;
      await showFailure(second, client, namespace, output);
    }
    return EXIT.failed;
  }
}

function sayInterrupted(output: Output): number {
  output.warn(
    "Interrupted. Run the same command again to resume, 'chain-link rollback' to roll back, or 'chain-link delete' to delete the release",
  );
  return EXIT.interrupted;
}

/** Prompts a person before objects are deleted. */
async function confirmRemovals(
  { removals, objects }: Plan,
  isSure: boolean,
  output: Output,
): Promise<boolean> {
  const replaced = objects.filter(({ action }) => action === "replace").length;
  if (isSure || removals.length === 0 || !canAsk(output)) return true;
  const names = removals.slice(0, 5).map(({ resource, name }) => `${resource.kind} ${name}`);
  const more = removals.length > 5 ? ` and ${removals.length - 5} more` : "";
  output.note(
    `To be deleted: ${names.join(", ")}${more}${replaced === 0 ? "" : `; to be replaced: ${replaced}`}`,
  );
  return ask(`Delete ${removals.length} objects?`, output);
}
