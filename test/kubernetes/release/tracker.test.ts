import { expect, test } from "bun:test";
import { ApiClient } from "../../../src/kubernetes/api/client.ts";
import type { LiveObject } from "../../../src/kubernetes/api/live-object.ts";
import type { KubernetesObject } from "../../../src/kubernetes/object.ts";
import { NotReady, ReadinessTracker } from "../../../src/kubernetes/release/tracker.ts";
import { temporaryFolder } from "../../helpers/cli.ts";
import { config, openConfig } from "../api/config.ts";
import { liveObject } from "./live.ts";

const WANTED: KubernetesObject = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "a", namespace: "demo" },
  spec: { replicas: 1, selector: { matchLabels: { app: "a" } } },
};
const STUCK = liveObject("Deployment", {
  metadata: { generation: 1 },
  spec: { replicas: 1 },
  status: {
    observedGeneration: 1,
    replicas: 1,
    updatedReplicas: 1,
    conditions: [{ type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded" }],
  },
});
const POD = {
  name: "a-x-1",
  labels: { "pod-template-hash": "x" },
  ownerReferences: [{ kind: "ReplicaSet", name: "a-x", uid: "r" }],
};

const pod = (status: object) => liveObject("Pod", { metadata: POD, status });
const UNPLACED = pod({
  phase: "Pending",
  conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/1 nodes" }],
});
const CRASHED = pod({
  phase: "Running",
  containerStatuses: [{ name: "main", ready: false, state: { terminated: { exitCode: 1 } } }],
});

/** A tracker of one Deployment, on an API server that has these objects and never changes them. */
async function withTracker(
  objects: Readonly<Record<string, readonly LiveObject[]>>,
  run: (tracker: ReadinessTracker) => Promise<void>,
): Promise<void> {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      if (searchParams.has("watch")) return new Response(new ReadableStream());
      const items = objects[pathname.split("/").at(-1) ?? ""] ?? [];
      return Response.json({ metadata: { resourceVersion: "1" }, items });
    },
  });
  using folder = temporaryFolder();
  const clusters = [{ name: "c", cluster: { server: `http://127.0.0.1:${server.port}` } }];
  const client = new ApiClient(openConfig(folder.path, config({}, { clusters })));
  try {
    await run(new ReadinessTracker({ client, namespace: "demo", release: "r", objects: [WANTED] }));
  } finally {
    await server.stop(true);
  }
}

test("the tracker keeps waiting for a Deployment with unschedulable pods after its progress deadline", () =>
  withTracker({ deployments: [STUCK], pods: [UNPLACED] }, async (tracker) => {
    const limit = AbortSignal.timeout(300);
    await expect(tracker.waitUntilReady(limit)).rejects.toThrow(NotReady);
    expect(limit.aborted).toBe(true);
    expect(tracker.listUnready()).toMatchObject([
      {
        readiness: { state: "in-progress", message: "waits for a node" },
        trouble: "Unschedulable: 0/1 nodes",
      },
    ]);
  }));

test("the tracker does not wait for unschedulable pods where the rest of a change may go on", () =>
  withTracker({ deployments: [STUCK], pods: [UNPLACED] }, async (tracker) => {
    const never = new AbortController().signal;
    await tracker.waitUntilReadyOrFull(never);
    expect(tracker.readyCount).toBe(0);
  }));

test("the tracker fails immediately for a Deployment that exceeded its progress deadline for another reason", () =>
  withTracker({ deployments: [STUCK], pods: [CRASHED] }, async (tracker) => {
    const never = new AbortController().signal;
    await expect(tracker.waitUntilReady(never)).rejects.toThrow("1 of 1 objects are not ready");
    expect(tracker.listUnready()).toMatchObject([{ readiness: { state: "failed" } }]);
  }));
