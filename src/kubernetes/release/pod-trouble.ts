import type { LiveObject } from "../api/live-object.ts";
import { findCondition } from "./readiness.ts";

interface ContainerStatus {
  readonly name: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: { readonly reason?: string; readonly exitCode?: number; readonly message?: string };
}

/** What keeps a pod from being ready. */
interface PodTrouble {
  /** One line: `ImagePullBackOff: Back-off pulling image "…"`. */
  readonly text: string;
  /** Container whose log may tell more, and whether it is the log of the one that ended. */
  readonly log: { readonly container: string; readonly isPrevious: boolean } | null;
}

/** Waiting that is no trouble yet. */
const STARTING = new Set(["ContainerCreating", "PodInitializing"]);

/** `null` when nothing is wrong that the pod itself would say. */
export function findPodTrouble(pod: LiveObject): PodTrouble | null {
  const { status = {} } = pod;
  const scheduled = findCondition(pod, "PodScheduled");
  if (scheduled?.status === "False") {
    return { text: `${scheduled.reason ?? "Unschedulable"}: ${scheduled.message ?? ""}`, log: null };
  }
  const containers: readonly ContainerStatus[] = [
    ...(status.initContainerStatuses ?? []),
    ...(status.containerStatuses ?? []),
  ];
  for (const container of containers) {
    const trouble = findContainerTrouble(container);
    if (trouble !== null) return trouble;
  }
  if (status.phase === "Failed") return { text: status.message ?? status.reason ?? "Failed", log: null };
  return null;
}

/** Whether a trouble is over as soon as the cluster, or a quota, has room for another pod. */
export function isLackOfRoom(trouble: string): boolean {
  return trouble.startsWith("Unschedulable") || trouble.includes("exceeded quota");
}

/** How often the containers of a pod were started again. */
export function countRestarts(pod: LiveObject): number {
  const containers: readonly ContainerStatus[] = pod.status?.containerStatuses ?? [];
  return containers.reduce((sum, { restartCount = 0 }) => sum + restartCount, 0);
}

function findContainerTrouble({
  name,
  ready,
  state = {},
  lastState = {},
}: ContainerStatus): PodTrouble | null {
  const { waiting, terminated } = state;
  if (waiting?.reason !== undefined && !STARTING.has(waiting.reason)) {
    const ended = lastState.terminated;
    const isCrash = waiting.reason === "CrashLoopBackOff" && ended !== undefined;
    const text = isCrash
      ? `CrashLoopBackOff: the container ended with exit code ${ended.exitCode}${describeEnd(ended.reason)}`
      : `${waiting.reason}${waiting.message === undefined ? "" : `: ${waiting.message}`}`;
    return { text, log: ended === undefined ? null : { container: name, isPrevious: true } };
  }
  if (terminated !== undefined && terminated.exitCode !== 0) {
    const text = `the container ended with exit code ${terminated.exitCode}${describeEnd(terminated.reason)}`;
    return { text, log: { container: name, isPrevious: false } };
  }
  if (waiting === undefined && terminated === undefined && ready === false) {
    return {
      text: "runs, but its readiness probe has not succeeded",
      log: { container: name, isPrevious: false },
    };
  }
  return null;
}

function describeEnd(reason: string | undefined): string {
  return reason === undefined || reason === "Error" ? "" : ` (${reason})`;
}
