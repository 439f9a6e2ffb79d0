import type { LiveObject } from "../../../src/kubernetes/api/live-object.ts";

/** An object as an API server returns it; a test passes only the fields that matter to it. */
export function liveObject(
  kind: string,
  parts: {
    readonly metadata?: object;
    readonly spec?: object;
    readonly status?: object;
    readonly data?: object;
  } = {},
): LiveObject {
  return {
    apiVersion: kind === "Deployment" ? "apps/v1" : "v1",
    kind,
    ...parts,
    metadata: {
      name: "a",
      namespace: "demo",
      uid: "u",
      resourceVersion: "1",
      creationTimestamp: "2026-11-23T10:00:00Z",
      ...parts.metadata,
    },
  };
}
