import { describe, expect, test } from "bun:test";
import {
  addMembership,
  applySetId,
  buildParent,
  groupKindOf,
  PART_OF_LABEL,
  readParent,
} from "../../../src/kubernetes/release/apply-set.ts";

describe("the apply set of a release", () => {
  test("has the id that kubectl computes", () => {
    const parent = { name: "my-set", namespace: "test", kind: "Secret", group: "" };
    expect(applySetId(parent)).toBe("applyset-0eFHV8ySqp7XoShsGvyWFQD3s96yqwHmzc4e0HR1dsY-v1");
  });

  test("lists its kinds once each and sorted, those of the core group without a group", () => {
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
      "the parent of another tool",
      { annotations: { "applyset.kubernetes.io/tooling": "kubectl/v1.34" } },
      "kubectl/v1.34",
    ],
    ["a parent without tooling", { annotations: {} }, "found none"],
    [
      "a parent with the id of another set",
      { labels: { "applyset.kubernetes.io/id": "applyset-x-v1" } },
      "applyset-x-v1",
    ],
  ])("rejects %s", (_, change, found) => {
    const { metadata } = buildParent("shop", "demo", []);
    expect(() => readParent("shop", { ...metadata, ...change })).toThrow(found);
  });

  test("rejects a parent without kinds, because its members cannot be found", () => {
    const { metadata } = buildParent("shop", "demo", []);
    const { "applyset.kubernetes.io/contains-group-kinds": _, ...annotations } = metadata.annotations ?? {};
    expect(() => readParent("shop", { ...metadata, annotations })).toThrow("contains-group-kinds");
  });

  test("rejects an object that is already labeled as part of a set", () => {
    const object = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "a", labels: { [PART_OF_LABEL]: "x" } },
    };
    expect(() => addMembership(object, "y")).toThrow(PART_OF_LABEL);
  });
});
