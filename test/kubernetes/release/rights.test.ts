import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import { REQUIRED_RULES } from "../../../src/kubernetes/release/rights.ts";

test("the documented Role has exactly the rights that chain-link needs", () => {
  const page = readFileSync(new URL("../../../docs/kubernetes.md", import.meta.url), "utf8");
  const [, text = ""] = /```yaml\n(apiVersion: rbac[\s\S]*?)```/.exec(page) ?? [];
  const { rules } = load(text) as { rules: unknown };
  const expected = REQUIRED_RULES.map(({ group, resources, verbs }) => ({
    apiGroups: [group],
    resources: [...resources],
    verbs: [...verbs],
  }));
  expect(rules).toEqual(expected);
});
