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

/** As the API server records it: lists by their keys, the selector as a whole. */
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

/** Defaults and a container that somebody else added stand beside what we own. */
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

describe("an object is as it was applied", () => {
  test("with defaults, and what others added, beside our fields", () => {
    expect(isApplied(WANTED, live())).toBe(true);
  });

  test.each([
    ["a value differs", (spec: Spec) => void Object.assign(spec, { replicas: 2 })],
    [
      "a value in a list differs",
      (spec: Spec) => void Object.assign(spec.template.spec.containers[1] ?? {}, { image: "i:2" }),
    ],
    ["an item is gone", (spec: Spec) => void spec.template.spec.containers.pop()],
    [
      "something was added to what we own as a whole",
      (spec: Spec) => void Object.assign(spec, { selector: { matchLabels: { app: "x", b: "c" } } }),
    ],
    [
      "something was put into what we want to be empty",
      (spec: Spec) =>
        void Object.assign(spec.template.spec.volumes[0] ?? {}, { emptyDir: { medium: "Memory" } }),
    ],
  ])("but not when %s", (_, change) => {
    expect(isApplied(WANTED, live(change))).toBe(false);
  });

  test("but not when we own a field that is wanted no longer", () => {
    const { replicas: _, ...spec } = WANTED.spec as { replicas: number };
    expect(isApplied({ ...WANTED, spec }, live())).toBe(false);
  });

  test("but not when another owns a field of ours, though its value is the same", () => {
    const { "f:replicas": _, ...spec } = OWNED["f:spec"];
    expect(isApplied(WANTED, live(undefined, { ...OWNED, "f:spec": spec }))).toBe(false);
  });

  test("but not when it was never applied", () => {
    expect(isApplied(WANTED, liveObject("Deployment", { spec: WANTED.spec as object }))).toBe(false);
  });
});

test("who scaled a Deployment is found by the subresource; other managers are named once", () => {
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
