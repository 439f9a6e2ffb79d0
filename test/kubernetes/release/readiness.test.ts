import { describe, expect, test } from "bun:test";
import { readReadiness } from "../../../src/kubernetes/release/readiness.ts";
import { liveObject } from "./live.ts";

const AVAILABLE = { type: "Available", status: "True" };
const PROGRESSED = { type: "Progressing", status: "True", reason: "NewReplicaSetAvailable" };
const DONE = {
  observedGeneration: 2,
  replicas: 2,
  updatedReplicas: 2,
  availableReplicas: 2,
  readyReplicas: 2,
  conditions: [AVAILABLE, PROGRESSED],
};

function deployment(status: object, metadata: object = {}) {
  return liveObject("Deployment", {
    metadata: { generation: 2, ...metadata },
    spec: { replicas: 2 },
    status,
  });
}

describe("a Deployment", () => {
  test.each([
    ["whose desired and live state match is current", DONE, "current", ""],
    ["that no controller has observed is in progress", {}, "in-progress", "nobody"],
    [
      "whose change was not observed yet is in progress",
      { ...DONE, observedGeneration: 1 },
      "in-progress",
      "not yet",
    ],
    ["with too few pods is in progress", { ...DONE, replicas: 1 }, "in-progress", "1 of 2 pods made"],
    [
      "with pods of the old version is in progress",
      { ...DONE, updatedReplicas: 1 },
      "in-progress",
      "new version",
    ],
    ["with too many pods is in progress", { ...DONE, replicas: 3 }, "in-progress", "still end"],
    [
      "with a pod that is not available is in progress",
      { ...DONE, availableReplicas: 1 },
      "in-progress",
      "1 of 2 pods available",
    ],
    [
      "with a pod that is not ready is in progress",
      { ...DONE, readyReplicas: 1 },
      "in-progress",
      "1 of 2 pods ready",
    ],
    [
      "that is not available is in progress",
      { ...DONE, conditions: [PROGRESSED] },
      "in-progress",
      "not available",
    ],
    [
      "whose new version is not available is in progress",
      { ...DONE, conditions: [AVAILABLE, { ...PROGRESSED, reason: "ReplicaSetUpdated" }] },
      "in-progress",
      "new version",
    ],
    [
      "that made no progress has failed",
      { ...DONE, conditions: [{ ...PROGRESSED, reason: "ProgressDeadlineExceeded" }] },
      "failed",
      "no progress",
    ],
  ] as const)("%s", (_, status, state, message) => {
    const found = readReadiness(deployment(status));
    expect(found.state).toBe(state);
    expect(found.message).toContain(message);
  });

  test("that is being deleted is terminating, whatever its status", () => {
    expect(readReadiness(deployment(DONE, { deletionTimestamp: "2026-11-23T10:00:30Z" })).state).toBe(
      "terminating",
    );
  });

  test("with 0 replicas is current once its controller has observed it", () => {
    const status = { observedGeneration: 1, conditions: [AVAILABLE, PROGRESSED] };
    const object = liveObject("Deployment", { metadata: { generation: 1 }, spec: { replicas: 0 }, status });
    expect(readReadiness(object).state).toBe("current");
  });
});

describe("a Pod", () => {
  const READY = { type: "Ready", status: "True" };
  const UNSCHEDULABLE = {
    type: "PodScheduled",
    status: "False",
    reason: "Unschedulable",
    message: "0/1 nodes",
  };
  const CRASHING = [{ name: "main", state: { waiting: { reason: "CrashLoopBackOff" } } }];

  test.each([
    ["that runs and is ready is current", { phase: "Running", conditions: [READY] }, "current"],
    ["that runs and is not ready is in progress", { phase: "Running" }, "in-progress"],
    ["that keeps crashing has failed", { phase: "Running", containerStatuses: CRASHING }, "failed"],
    ["that succeeded is current", { phase: "Succeeded" }, "current"],
    ["that failed has failed", { phase: "Failed" }, "failed"],
    ["that starts is in progress", { phase: "Pending" }, "in-progress"],
    [
      "that cannot be scheduled is in progress",
      { phase: "Pending", conditions: [UNSCHEDULABLE] },
      "in-progress",
    ],
    [
      "that cannot be scheduled because its volume claim is missing has failed",
      {
        phase: "Pending",
        conditions: [{ ...UNSCHEDULABLE, message: '0/1 nodes: persistentvolumeclaim "a" not found' }],
      },
      "failed",
    ],
  ] as const)("%s", (_, status, state) => {
    expect(readReadiness(liveObject("Pod", { status })).state).toBe(state);
  });
});

test("other kinds follow their condition Ready, and are current without it", () => {
  const condition = (status: string) => ({ status: { conditions: [{ type: "Ready", status }] } });
  expect(readReadiness(liveObject("Gateway", condition("False"))).state).toBe("in-progress");
  expect(readReadiness(liveObject("Gateway", condition("True"))).state).toBe("current");
  expect(readReadiness(liveObject("Gateway")).state).toBe("current");
  expect(readReadiness(liveObject("ConfigMap")).state).toBe("current");
});
