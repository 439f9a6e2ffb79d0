import { expect, test } from "bun:test";
import { findNearest } from "../../src/lib/suggestion.ts";

const KNOWN = ["instances", "namespace", "port", "host"];

test.each([
  ["instanes", "instances"],
  ["isntances", "instances"],
  ["NAMESPACE", "namespace"],
  ["prot", "port"],
])("%s was meant to be %s", (word, meant) => {
  expect(findNearest(word, KNOWN)).toBe(meant);
});

test.each(["banana", "x", "completely-different"])("%s has no near candidate", (word) => {
  expect(findNearest(word, KNOWN)).toBeUndefined();
});
