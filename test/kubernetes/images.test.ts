import { expect, test } from "bun:test";
import { DEFAULT_IMAGE, imagePullPolicy } from "../../src/kubernetes/images.ts";
import { VERSION } from "../../src/lib/version.ts";

test("the default image carries the version of the package", () => {
  expect(DEFAULT_IMAGE).toBe(`ghcr.io/chain-link-dev/chain-link:${VERSION}`);
});

const DIGEST = `sha256:${"0".repeat(64)}`;

test.each([
  ["busybox", "Always"],
  ["busybox:latest", "Always"],
  ["busybox:1.37", "IfNotPresent"],
  ["host:5000/x", "Always"],
  ["host:5000/x:latest", "Always"],
  ["host:5000/team/x:1", "IfNotPresent"],
  ["ghcr.io/ccollicutt/chain-link:latest", "Always"],
  [`busybox@${DIGEST}`, "IfNotPresent"],
  [`host:5000/x:latest@${DIGEST}`, "IfNotPresent"],
])("%s is pulled %s", (image, policy) => {
  expect(imagePullPolicy(image)).toBe(policy as "Always" | "IfNotPresent");
});
