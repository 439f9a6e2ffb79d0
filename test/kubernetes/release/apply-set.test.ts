import { describe, expect, test } from "bun:test";
import {
  addMembership,
  applySetId,
  buildParent,
  groupKindOf,
  PART_OF_LABEL,
  readParent,
} from "../../../src/kubernetes/release/apply-set.ts";

describe("the set of a release", () => {
  test("has the id that kubectl computes", () => {
    const parent = { name: "my-set", namespace: "test", kind: "Secret", group: "" };
    expect(applySetId(parent)).toBe("applyset-0eFHV8ySqp7XoShsGvyWFQD3s96yqwHmzc4e0HR1dsY-v1");
  });

  test("names its kinds sorted, each once, the core group without a dot", () => {
    const kinds = [
      groupKindOf({ apiVersion: "v1", kind: "Service" }),
      groupKindOf({ apiVersion: "apps/v1", kind: "Deployment" }),
      groupKindOf({ apiVersion: "v1", kind: "Service" }),
    ];
    const { metadata } = buildParent("shop", "demo", kinds);
    expect(metadata.annotations?.["applyset.kubernetes.io/contains-group-kinds"]).toBe(
      "Deployment.apps,Service",
    );
    expect(metadata.annotations?.["applyset.kubernetes.io/additional-namespaces"]).toBe("");
    expect(metadata.name).toBe("chain-link.shop");
  });

  test("is read back from its parent", () => {
    const { metadata } = buildParent("shop", "demo", ["Service", "ConfigMap"]);
    expect(readParent("shop", metadata)).toEqual(["ConfigMap", "Service"]);
  });

  test.each([
    [
      "another tool's",
      { annotations: { "applyset.kubernetes.io/tooling": "kubectl/v1.34" } },
      "kubectl/v1.34",
    ],
    ["one without tooling", { annotations: {} }, "found none"],
    [
      "one whose id is another's",
      { labels: { "applyset.kubernetes.io/id": "applyset-x-v1" } },
      "applyset-x-v1",
    ],
  ])("refuses %s parent", (_, change, found) => {
    const { metadata } = buildParent("shop", "demo", []);
    expect(() => readParent("shop", { ...metadata, ...change })).toThrow(found);
  });

  test("refuses a parent without kinds: nobody could tell what is in the set", () => {
    const { metadata } = buildParent("shop", "demo", []);
    const { "applyset.kubernetes.io/contains-group-kinds": _, ...annotations } = metadata.annotations ?? {};
    expect(() => readParent("shop", { ...metadata, annotations })).toThrow("contains-group-kinds");
  });

  test("refuses an object that says it is in a set already", () => {
    const object = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "a", labels: { [PART_OF_LABEL]: "x" } },
    };
    expect(() => addMembership(object, "y")).toThrow(PART_OF_LABEL);
  });
});
