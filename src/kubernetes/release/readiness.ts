// kstatus: https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
import type { Condition, LiveObject } from "../api/live-object.ts";
import type { Difference } from "./difference.ts";

/** Whether the cluster has reached what an object asks for. */
export interface Readiness {
  readonly state: "current" | "in-progress" | "failed" | "terminating";
  /** Why it is not current, for people. */
  readonly message: string;
}

const CURRENT: Readiness = { state: "current", message: "" };

/** Why no node takes a pod, where another node would not take it either. */
const NO_NODE_HELPS = /persistentvolumeclaim "[^"]*" not found|storageclass\S* "[^"]*" not found/i;

/**
 * What an object's own status says. A Service is current here; whether somebody answers behind it, only its
 * EndpointSlices tell.
 */
export function readReadiness(object: LiveObject): Readiness {
  const { metadata, status = {} } = object;
  if (metadata.deletionTimestamp !== undefined) return { state: "terminating", message: "is being deleted" };
  if (metadata.generation !== undefined && status.observedGeneration !== undefined) {
    if (metadata.generation !== status.observedGeneration)
      return inProgress("its change was not yet looked at");
  }
  const reconciling = findCondition(object, "Reconciling");
  if (reconciling?.status === "True") return inProgress(reconciling.message ?? "is reconciling");
  const stalled = findCondition(object, "Stalled");
  if (stalled?.status === "True") return failed(stalled.message ?? "is stalled");
  switch (object.kind) {
    case "Deployment":
      return readDeployment(object);
    case "Pod":
      return readPod(object);
    case "Job":
      return readJob(object);
    case "PersistentVolumeClaim":
      return readClaim(object);
    case "ConfigMap":
    case "Secret":
    case "NetworkPolicy":
    case "Service":
      return CURRENT;
    default: {
      const ready = findCondition(object, "Ready");
      return ready === undefined || ready.status === "True"
        ? CURRENT
        : inProgress(ready.message ?? "is not ready");
    }
  }
}

export function findCondition(object: LiveObject, type: string): Condition | undefined {
  return object.status?.conditions?.find((condition: Condition) => condition.type === type);
}

/** Whether a Pod has come to its end and will never run again: evicted, past its deadline, on a node that is gone. */
export function hasEnded({ kind, status }: LiveObject): boolean {
  return kind === "Pod" && (status?.phase === "Failed" || status?.phase === "Succeeded");
}

/** Why an object is made again, as a plan shows it. */
export function describeEnd({ metadata, status = {} }: LiveObject): Difference[] {
  return metadata.deletionTimestamp === undefined
    ? [
        {
          path: "status.phase",
          before: `${status.phase} (${status.reason ?? status.message ?? "ended"})`,
          after: "Running",
        },
      ]
    : [{ path: "metadata.deletionTimestamp", before: metadata.deletionTimestamp, after: undefined }];
}

function readDeployment(object: LiveObject): Readiness {
  const { spec = {}, status = {} } = object;
  const progressing = findCondition(object, "Progressing");
  if (progressing?.reason === "ProgressDeadlineExceeded") {
    return failed(`made no progress for ${spec.progressDeadlineSeconds ?? 600} s`);
  }
  if (spec.paused === true)
    return failed(`is paused: kubectl rollout resume deployment/${object.metadata.name} lets it go on`);
  // The controller sets it with the first status; without it nobody has looked at the Deployment.
  if (status.observedGeneration === undefined) return inProgress("nobody has looked at it yet");
  const wanted: number = spec.replicas ?? 1;
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0, readyReplicas = 0 } = status;
  if (replicas < wanted) return inProgress(`${replicas} of ${wanted} pods made`);
  if (updatedReplicas < wanted)
    return inProgress(`${updatedReplicas} of ${wanted} pods are of the new version`);
  if (replicas > wanted) return inProgress(`${replicas - wanted} pods of before still end`);
  if (availableReplicas < updatedReplicas)
    return inProgress(`${availableReplicas} of ${wanted} pods available`);
  if (readyReplicas < wanted) return inProgress(`${readyReplicas} of ${wanted} pods ready`);
  if (progressing !== undefined && progressing.reason !== "NewReplicaSetAvailable") {
    return inProgress("its new version is not available yet");
  }
  const available = findCondition(object, "Available");
  return available?.status === "True" ? CURRENT : inProgress("is not available");
}

function readPod(object: LiveObject): Readiness {
  const { status = {} } = object;
  switch (status.phase) {
    case "Succeeded":
      return CURRENT;
    case "Failed":
      return failed(status.message ?? "its containers failed");
    case "Running": {
      if (findCondition(object, "Ready")?.status === "True") return CURRENT;
      const crashing = (status.containerStatuses ?? []).find(
        (container: { state?: { waiting?: { reason?: string } } }) =>
          container.state?.waiting?.reason === "CrashLoopBackOff",
      );
      return crashing === undefined
        ? inProgress("is not ready")
        : failed(`container ${crashing.name} keeps crashing`);
    }
    default: {
      const scheduled = findCondition(object, "PodScheduled");
      const isUnschedulable = scheduled?.status === "False" && scheduled.reason === "Unschedulable";
      if (!isUnschedulable) return inProgress("is starting");
      const message = `no node takes it: ${scheduled.message ?? "unschedulable"}`;
      return NO_NODE_HELPS.test(message) ? failed(message) : inProgress(message);
    }
  }
}

/** One whose class waits for the first pod is bound when that pod is placed. */
function readClaim({ status = {} }: LiveObject): Readiness {
  if (status.phase === "Bound") return CURRENT;
  return status.phase === "Lost"
    ? failed("its volume is lost")
    : inProgress("no volume is bound to it: is there a storage class, or a volume that fits?");
}

function readJob(object: LiveObject): Readiness {
  if (findCondition(object, "Complete")?.status === "True") return CURRENT;
  const failure = findCondition(object, "Failed");
  return failure?.status === "True" ? failed(failure.message ?? "failed") : inProgress("is running");
}

function inProgress(message: string): Readiness {
  return { state: "in-progress", message };
}

function failed(message: string): Readiness {
  return { state: "failed", message };
}
