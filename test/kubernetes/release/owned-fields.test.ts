import { describe, expect, test } from "bun:test";
import type { KubernetesObject } from "../../../src/kubernetes/object.ts";
import { findScaler, isApplied, listManagers } from "../../../src/kubernetes/release/owned-fields.ts";
import { liveObject } from "./live.ts";

const WANTED: KubernetesObject = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "a", namespace: "demo", labels: { app: "x" } },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: "x" } },
    template: {
      spec: {
        containers: [{ name: "main", image: "i:1", ports: [{ containerPort: 80 }], env: undefined }],
        volumes: [{ name: "tmp", emptyDir: {} }],
      },
    },
  },
};

/** Ownership as the API server records it: lists by their keys, and the selector as a whole. */
const OWNED = {
  "f:metadata": { "f:labels": { "f:app": {} } },
  "f:spec": {
    "f:replicas": {},
    "f:selector": {},
    "f:template": {
      "f:spec": {
        "f:containers": {
          'k:{"name":"main"}': {
            ".": {},
            "f:name": {},
            "f:image": {},
            "f:ports": { 'k:{"containerPort":80,"protocol":"TCP"}': { ".": {}, "f:containerPort": {} } },
          },
        },
        "f:volumes": { 'k:{"name":"tmp"}': { ".": {}, "f:name": {}, "f:emptyDir": {} } },
      },
    },
  },
};

interface Spec {
  replicas: number;
  selector: unknown;
  template: { spec: { containers: Record<string, unknown>[]; volumes: object[] } };
}

/** A live object with defaults, and a container from another manager, besides our fields. */
function live(change: (spec: Spec) => void = () => {}, owned: object = OWNED) {
  const spec: Spec = {
    replicas: 1,
    selector: { matchLabels: { app: "x" } },
    template: {
      spec: {
        containers: [
          { name: "sidecar", image: "s:1" },
          {
            name: "main",
            image: "i:1",
            imagePullPolicy: "IfNotPresent",
            ports: [{ containerPort: 80, protocol: "TCP" }],
          },
        ],
        volumes: [{ name: "tmp", emptyDir: {} }],
      },
    },
  };
  change(spec);
  const managedFields = [{ manager: "chain-link", operation: "Apply", fieldsV1: owned }];
  return liveObject("Deployment", { metadata: { labels: { app: "x", other: "y" }, managedFields }, spec });
}

describe("an object counts as applied", () => {
  test("if only defaults and fields of other managers were added", () => {
    expect(isApplied(WANTED, live())).toBe(true);
  });

  test.each([
    ["a value differs", (spec: Spec) => void Object.assign(spec, { replicas: 2 })],
    [
      "a value in a list differs",
      (spec: Spec) => void Object.assign(spec.template.spec.containers[1] ?? {}, { image: "i:2" }),
    ],
    ["a list item is missing", (spec: Spec) => void spec.template.spec.containers.pop()],
    [
      "a field was added to an object that we own as a whole",
      (spec: Spec) => void Object.assign(spec, { selector: { matchLabels: { app: "x", b: "c" } } }),
    ],
    [
      "a field was added to an object that we applied empty",
      (spec: Spec) =>
        void Object.assign(spec.template.spec.volumes[0] ?? {}, { emptyDir: { medium: "Memory" } }),
    ],
  ])("but not if %s", (_, change) => {
    expect(isApplied(WANTED, live(change))).toBe(false);
  });

  test("but not if we own a field that is no longer desired", () => {
    const { replicas: _, ...spec } = WANTED.spec as { replicas: number };
    expect(isApplied({ ...WANTED, spec }, live())).toBe(false);
  });

  test("but not if another manager owns one of our fields, even with the same value", () => {
    const { "f:replicas": _, ...spec } = OWNED["f:spec"];
    expect(isApplied(WANTED, live(undefined, { ...OWNED, "f:spec": spec }))).toBe(false);
  });

  test("but not if it was never applied", () => {
    expect(isApplied(WANTED, liveObject("Deployment", { spec: WANTED.spec as object }))).toBe(false);
  });
});

test("the manager that scaled a Deployment is found by the subresource, and each manager is listed once", () => {
  const scale = { "f:spec": { "f:replicas": {} } };
  const managedFields = [
    { manager: "kubectl", operation: "Update", subresource: "scale", fieldsV1: scale },
    { manager: "kubectl", operation: "Update", fieldsV1: {} },
    { manager: "kube-controller-manager", operation: "Update", subresource: "status", fieldsV1: scale },
    { manager: "chain-link", operation: "Apply", fieldsV1: {} },
  ];
  const object = liveObject("Deployment", { metadata: { managedFields } });
  expect(findScaler(object)?.manager).toBe("kubectl");
  expect(listManagers(object)).toEqual(["kubectl"]);
});
