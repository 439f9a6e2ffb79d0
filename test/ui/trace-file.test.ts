import { expect, test } from "bun:test";
import { readSpans } from "../../ui/traces/trace-file.ts";

const span = (traceId: string, id = "1") => ({
  traceId: traceId.padStart(16, "0"),
  id: id.padStart(16, "0"),
});

test("a file is one trace, or a list of traces; ids and names are as the collector has them", () => {
  expect(readSpans(JSON.stringify([{ ...span("a"), name: "GET" }]))).toEqual([{ ...span("a"), name: "get" }]);
  const both = [[span("a"), span("a", "2")], [span("b")]];
  expect(readSpans(JSON.stringify(both))).toEqual(both.flat());
});

test.each([
  ["", /JSON/],
  ["{}", /expected a list of spans or of traces/],
  ["[]", /it is empty/],
  ["[[]]", /it is empty/],
  ["[1]", /\$\[0\]/],
  [JSON.stringify([span("a"), { ...span("a", "2"), tags: { n: [] } }]), /\$\[1\]\.tags/],
])("%p is no file of traces", (text, why) => {
  expect(() => readSpans(text)).toThrow(why);
});
