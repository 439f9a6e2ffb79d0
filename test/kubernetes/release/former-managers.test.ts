import { expect, test } from "bun:test";
import type { ManagedFields } from "../../../src/kubernetes/api/live-object.ts";
import { hasFormerManager, mergeFormer } from "../../../src/kubernetes/release/former-managers.ts";
import { liveObject } from "./live.ts";

const entry = (
  manager: string,
  operation: ManagedFields["operation"],
  fieldsV1: ManagedFields["fieldsV1"],
  subresource?: string,
): ManagedFields => ({
  manager,
  operation,
  ...(fieldsV1 === undefined ? {} : { fieldsV1 }),
  ...(subresource === undefined ? {} : { subresource }),
});
const spec = (...names: readonly string[]) => ({
  "f:spec": Object.fromEntries(names.map((name) => [`f:${name}`, {}])),
});

test("the fields of former managers become ours, and other managers keep theirs", () => {
  const status = entry("kubectl-create", "Update", { "f:status": {} }, "status");
  const edited = entry("kubectl-edit", "Update", spec("c"));
  const merged = mergeFormer([
    entry("kubectl-client-side-apply", "Update", spec("a", "b")),
    entry("OpenAPI-Generator", "Update", spec("d")),
    edited,
    status,
  ]);
  expect(merged).toEqual([edited, status, entry("chain-link", "Apply", spec("a", "b", "d"))]);
});

test("our existing entry also gets the fields of former managers", () => {
  const ours = { ...entry("chain-link", "Apply", spec("a")), time: "2026-11-30T00:00:00Z" };
  const merged = mergeFormer([entry("kubectl", "Apply", spec("b")), ours]);
  expect(merged).toEqual([{ ...ours, fieldsV1: spec("a", "b") }]);
});

test("the annotation last-applied-configuration is not taken over, as in client-go", () => {
  const annotations = (...names: readonly string[]) => ({
    "f:metadata": {
      "f:annotations": { ".": {}, ...Object.fromEntries(names.map((name) => [`f:${name}`, {}])) },
    },
  });
  const last = "kubectl.kubernetes.io/last-applied-configuration";
  const inherited = (...names: readonly string[]) =>
    mergeFormer([entry("kubectl-client-side-apply", "Update", annotations(...names))])[0]?.fieldsV1;
  expect(inherited(last, "mine")).toEqual(annotations("mine"));
  expect(inherited(last)).toEqual({});
});

test("only managers that applied a whole object count as former managers", () => {
  const has = (...entries: readonly ManagedFields[]) =>
    hasFormerManager(liveObject("Service", { metadata: { managedFields: entries } }));
  expect(has(entry("kubectl-client-side-apply", "Update", {}))).toBe(true);
  expect(has(entry("kubectl", "Apply", {}))).toBe(true);
  expect(has(entry("kubectl", "Update", {}, "scale"))).toBe(false);
  expect(has(entry("kubectl-edit", "Update", {}), entry("chain-link", "Apply", {}))).toBe(false);
});
