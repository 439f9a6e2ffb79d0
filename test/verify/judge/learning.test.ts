import { expect, test } from "bun:test";
import { newRunId, RunIds } from "../../../src/trace/run.ts";
import { ledgerOf } from "../../../src/verify/judge/digest.ts";
import { Learning } from "../../../src/verify/judge/learning.ts";
import type { SeenSpan } from "../../../src/verify/judge/seen-span.ts";

const ids = new RunIds(newRunId());
let made = 0;

function span(
  serviceName: string,
  kind: "SERVER" | "CLIENT",
  parentId: string | null,
  remote: string | null = null,
): SeenSpan {
  const id = (++made).toString(16).padStart(16, "0");
  return { id, parentId, kind, serviceName, remote, status: 200, attempt: 0, startUs: made, endUs: made + 1 };
}

function record(spans: readonly SeenSpan[]) {
  const ledger = ledgerOf(spans);
  return {
    sequence: made,
    traceId: ids.traceId(made),
    endMs: 0,
    status: 200,
    ledger,
    isSampled: true,
    isBroken: false,
  };
}

/** `a` calls `x`, a link. */
function called() {
  const root = span("a", "SERVER", null);
  const call = span("a", "CLIENT", root.id, "x");
  return [root, call, span("x", "SERVER", call.id)];
}

test("a service known as a link stays one after a trace in which it looks like a gateway", () => {
  const learning = new Learning(null);
  const whole = called();
  expect(learning.judge(record(whole), whole).class).toBe("complete");
  // The request arrives at `x`, which passes it on to `a`, whose ledger does not include `x`.
  const gateway = span("x", "SERVER", null);
  const behind = { ...span("a", "SERVER", null), parentId: gateway.id };
  expect(learning.judge(record([behind]), [gateway, behind])).toMatchObject({
    class: "complete",
    foreign: 1,
  });
  for (let round = 0; round < 3; round++) {
    const again = called();
    expect(learning.judge(record(again), again)).toMatchObject({ class: "complete", foreign: 0 });
    const lost = called();
    const seen = lost.slice(0, 2);
    expect(learning.judge(record(lost), seen).missing).toMatchObject([{ link: "x", kind: "SERVER" }]);
  }
});

test("a service that first looked like a gateway is a link once a ledger proves it", () => {
  const learning = new Learning(null);
  const gateway = span("x", "SERVER", null);
  const behind = { ...span("a", "SERVER", null), parentId: gateway.id };
  expect(learning.judge(record([behind]), [gateway, behind]).class).toBe("complete");
  const whole = called();
  expect(learning.judge(record(whole), whole)).toMatchObject({ class: "complete", foreign: 0 });
  const lost = called();
  expect(learning.judge(record(lost), lost.slice(0, 2)).missing).toMatchObject([
    { link: "x", kind: "SERVER" },
  ]);
});
