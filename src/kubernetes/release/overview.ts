import type { LiveObject } from "../api/live-object.ts";
import { countRestarts } from "./pod-trouble.ts";
import type { ReadinessTracker } from "./tracker.ts";

/** One line of a release's status: what runs. */
export interface OverviewRow {
  readonly name: string;
  readonly kind: string;
  readonly ready: number;
  readonly wanted: number;
  readonly restarts: number;
  readonly image: string;
  /** When it was made. */
  readonly created: string;
  /** Empty when all is well. */
  readonly problem: string;
}

/** What runs in a release: its Deployments and its own Pods. */
export function summarize(tracker: ReadinessTracker): OverviewRow[] {
  return tracker
    .list()
    .filter(({ kind }) => kind === "Deployment" || kind === "Pod")
    .map((object) => {
      const { kind, name, readiness, trouble } = object;
      const live = tracker.find(object);
      const pods = tracker.listPods(object);
      const isPod = kind === "Pod";
      return {
        name,
        kind,
        ready: isPod ? Number(readiness.state === "current") : (live?.status?.readyReplicas ?? 0),
        wanted: isPod ? 1 : (live?.spec?.replicas ?? 1),
        restarts: pods.reduce((sum, pod) => sum + countRestarts(pod), 0),
        image: readImage(live),
        created: live?.metadata.creationTimestamp ?? "",
        problem: readiness.state === "current" ? "" : trouble || readiness.message,
      };
    });
}

function readImage(object: LiveObject | undefined): string {
  const spec = object?.kind === "Pod" ? object.spec : object?.spec?.template?.spec;
  return spec?.containers?.[0]?.image ?? "";
}
