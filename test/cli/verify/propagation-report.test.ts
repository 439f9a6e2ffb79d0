import { expect, test } from "bun:test";
import { renderPropagation } from "../../../src/cli/verify/propagation-report.ts";
import type { EdgeFinding } from "../../../src/contract/propagation-result.ts";

const EXPLANATION = "-: the edge was not called, or is below a broken one";

function reportOn(edges: readonly string[], states: readonly EdgeFinding["state"][]): string {
  const found = states.map((state, at) => [edges[at] ?? "", { state, detail: null, traceId: null }] as const);
  return renderPropagation(
    {
      outcome: "kept",
      subject: null,
      url: "http://localhost:1",
      backend: "Zipkin",
      startedMs: 0,
      endedMs: 0,
      judgedMs: 0,
      requests: 1,
      edges,
      forms: [{ form: "w3c", edges: Object.fromEntries(found) }],
    },
    { pageOf: () => null },
  );
}

test("the report explains '-' only when a column has one", () => {
  const [a, b] = ["(verify) > a", "a > b"];
  expect(reportOn([a, b], ["kept", "kept"])).not.toContain(EXPLANATION);
  expect(reportOn([a, b], ["kept", "unused"])).toContain(`\n\n${EXPLANATION}\n`);
  const wide = [a, b, `b > ${"c".repeat(120)}`];
  const text = reportOn(wide, ["kept", "unused", "kept"]);
  expect(text).toContain("kept or -");
  expect(text).toContain(EXPLANATION);
  expect(reportOn([a, "a > x-"], ["kept", "kept"])).not.toContain(EXPLANATION);
});
