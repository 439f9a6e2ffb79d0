import { describe, expect, test } from "bun:test";
import { countRestarts, findPodTrouble } from "../../../src/kubernetes/release/pod-trouble.ts";
import { liveObject } from "./live.ts";

/** A pod whose only container has this status. */
function podWith(container: object, more: object = {}) {
  return liveObject("Pod", {
    status: { phase: "Running", containerStatuses: [{ name: "link", ...container }], ...more },
  });
}

const CRASHED = { terminated: { exitCode: 1, reason: "Error" } };
const NO_NODE = {
  type: "PodScheduled",
  status: "False",
  reason: "Unschedulable",
  message: "0/1 nodes are available",
};

describe("the reported trouble of a pod", () => {
  test.each([
    [
      "whose image cannot be pulled",
      podWith({ state: { waiting: { reason: "ErrImagePull", message: "not found" } } }),
      "ErrImagePull: not found",
      null,
    ],
    [
      "that keeps crashing",
      podWith({
        state: { waiting: { reason: "CrashLoopBackOff", message: "back-off" } },
        lastState: CRASHED,
      }),
      "CrashLoopBackOff: the container ended with exit code 1",
      { container: "link", isPrevious: true },
    ],
    [
      "that exceeded its memory limit",
      podWith({
        state: { waiting: { reason: "CrashLoopBackOff" } },
        lastState: { terminated: { exitCode: 137, reason: "OOMKilled" } },
      }),
      "CrashLoopBackOff: the container ended with exit code 137 (OOMKilled)",
      { container: "link", isPrevious: true },
    ],
    [
      "that has just crashed",
      podWith({ state: CRASHED }),
      "the container ended with exit code 1",
      { container: "link", isPrevious: false },
    ],
    [
      "whose probe fails",
      podWith({ ready: false, state: { running: {} } }),
      "runs, but its readiness probe has not succeeded",
      { container: "link", isPrevious: false },
    ],
    [
      "that cannot be scheduled",
      liveObject("Pod", { status: { phase: "Pending", conditions: [NO_NODE] } }),
      "Unschedulable: 0/1 nodes are available",
      null,
    ],
    [
      "whose first container fails before the others",
      podWith(
        { state: { waiting: { reason: "PodInitializing" } } },
        {
          initContainerStatuses: [{ name: "init", state: CRASHED }],
        },
      ),
      "the container ended with exit code 1",
      { container: "init", isPrevious: false },
    ],
    [
      "that was evicted",
      liveObject("Pod", {
        status: { phase: "Failed", reason: "Evicted", message: "the node was low on memory" },
      }),
      "the node was low on memory",
      null,
    ],
  ])("%s", (_, pod, text, log) => {
    expect(findPodTrouble(pod)).toEqual({ text, log });
  });

  test.each([
    ["starts", { ready: false, state: { waiting: { reason: "ContainerCreating" } } }],
    ["is ready", { ready: true, state: { running: {} } }],
    ["has completed", { ready: false, state: { terminated: { exitCode: 0, reason: "Completed" } } }],
  ])("is null while its container %s", (_, container) => {
    expect(findPodTrouble(podWith(container))).toBeNull();
  });
});

test("the restart count of a pod is the sum over its containers", () => {
  const containerStatuses = [{ name: "a", restartCount: 2 }, { name: "b" }, { name: "c", restartCount: 3 }];
  expect(countRestarts(liveObject("Pod", { status: { containerStatuses } }))).toBe(5);
});
