import { UserError } from "../../lib/errors.ts";
import { SERVICES_LIST } from "../services-config-map.ts";
import type { DeployOptions, Target } from "./deployment.ts";
import { hasChanges, isSettled, keyOf, type Plan } from "./plan.ts";
import { waitForServicesList } from "./services-delivery.ts";
import type { ReleaseStore } from "./store.ts";
import { ReadinessTracker } from "./tracker.ts";
import { Interrupted } from "./work.ts";

/** Waits until all objects are ready, and links that stay know the new list of services. */
export async function waitUntilServed(
  { client, namespace, release }: ReleaseStore,
  { objects }: Target,
  plan: Plan,
  { stop, timeoutMs, report }: DeployOptions,
): Promise<void> {
  // Where nothing is to change, what the plan read of the objects still holds.
  const known = hasChanges(plan) ? [] : plan.objects;
  const tracker: ReadinessTracker = new ReadinessTracker({
    client,
    namespace,
    release,
    objects,
    ready: new Set(
      known.filter(({ live }) => live?.readiness.state === "current").map(({ object }) => keyOf(object)),
    ),
    onChange: () => report.onProgress(tracker),
  });
  const limit = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
  report.onWait(tracker);
  try {
    await tracker.waitUntilReady(limit);
    const list = plan.objects.find(({ object }) => object.metadata.name === SERVICES_LIST);
    // An interrupted deploy may have changed the list before.
    if (list?.action === "unchanged" && isSettled(plan)) return;
    const late = await waitForServicesList(client, namespace, release, objects, limit, (count) =>
      report.onLateLinks(count),
    );
    if (late.length > 0 && !stop.aborted) throw lateLinks(late);
  } catch (error) {
    if (stop.aborted) throw new Interrupted();
    throw error;
  } finally {
    report.onWaitEnd();
  }
  if (stop.aborted) throw new Interrupted();
}

function lateLinks(late: readonly { readonly pod: string; readonly reason: string }[]): UserError {
  const shown = late.slice(0, 5).map(({ pod, reason }) => `  ${pod}: ${reason}`);
  return new UserError(
    "release-failed",
    `the new list of services did not reach ${late.length} links in time:\n${shown.join("\n")}`,
    "Kubelets renew a ConfigMap's files within about 90 s: deploy again, or with a longer --timeout.",
  );
}
