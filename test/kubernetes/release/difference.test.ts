import { expect, test } from "bun:test";
import { findDifferences } from "../../../src/kubernetes/release/difference.ts";
import { liveObject } from "./live.ts";

test("differences have readable paths, and leave out fields that the server sets", () => {
  const before = liveObject("Deployment", {
    metadata: { generation: 1, labels: { "app.kubernetes.io/name": "a" } },
    spec: {
      replicas: 1,
      containers: [
        { name: "main", image: "i:1", args: ["a"] },
        { name: "old", image: "o" },
      ],
    },
    status: { replicas: 1 },
  });
  const after = liveObject("Deployment", {
    metadata: { generation: 2, resourceVersion: "9", labels: { "app.kubernetes.io/name": "b" } },
    spec: { replicas: 1, containers: [{ name: "main", image: "i:2", args: ["a", "b"], tty: true }] },
  });
  expect(findDifferences(before, after)).toEqual([
    { path: "spec.containers[main].image", before: "i:1", after: "i:2" },
    { path: "spec.containers[main].args", before: ["a"], after: ["a", "b"] },
    { path: "spec.containers[main].tty", before: undefined, after: true },
    { path: "spec.containers[old]", before: { name: "old", image: "o" }, after: undefined },
    { path: 'metadata.labels["app.kubernetes.io/name"]', before: "a", after: "b" },
  ]);
  expect(findDifferences(before, before)).toEqual([]);
});
