import { describe, expect, test } from "bun:test";
import { DEFAULT_IMAGE, ZIPKIN_IMAGE } from "../../src/kubernetes/images.ts";
import { isImageReference, isNamespaceName } from "../../src/kubernetes/names.ts";

describe("a namespace", () => {
  test.each(["a", "chain-link", "chain-link-2", "1", "1a", "a".repeat(63)])("can be %p", (name) => {
    expect(isNamespaceName(name)).toBe(true);
  });

  test.each(["", "-a", "a-", "A", "a.b", "a_b", "a b", "a\n", "../x", "ä", "a".repeat(64)])(
    "cannot be %p",
    (name) => {
      expect(isNamespaceName(name)).toBe(false);
    },
  );
});

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

describe("an image", () => {
  test.each([
    ...[DEFAULT_IMAGE, ZIPKIN_IMAGE, "busybox", "host:5000/x", "localhost/x:y", "a.b/c/d__e-f:V1.2_3-x"],
    ...[
      "127.0.0.1:15000/docker.io/library/x",
      "[::1]:5000/x",
      "REGISTRY.example/x",
      `x@${DIGEST}`,
      `x:1@${DIGEST}`,
    ],
  ])("can be %p", (image) => {
    expect(isImageReference(image)).toBe(true);
  });

  test.each([
    ...["", " ", "x ", " x", "x y", "x\n", "x:", ":1", "/x", "x/", "a//b", "x:1:2", "x:-1", "https://x/y"],
    ...[
      "x@sha256:12",
      `x@${DIGEST}@${DIGEST}`,
      "x@",
      "a/B",
      "-x",
      "x.",
      `x:${"1".repeat(129)}`,
      "a".repeat(256),
    ],
  ])("cannot be %p", (image) => {
    expect(isImageReference(image)).toBe(false);
  });

  test("is validated without backtracking", () => {
    // A pattern that backtracks would not return within the timeout of any test.
    expect(isImageReference(`${"a-".repeat(100_000)}!`)).toBe(false);
    expect(isImageReference(`${"a.".repeat(120)}!`)).toBe(false);
  });
});
