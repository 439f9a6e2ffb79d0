import type { Span } from "../../src/trace/span.ts";
import { graphOf } from "../helpers/chain.ts";
import type { VerifyRunOptions } from "../helpers/verify-run.ts";
import { altered, COPY, missing } from "./claims.ts";
import { type Comparison, type FaultCase, startDisturbed } from "./fault-case.ts";

/** Fan-out, retries, and links that answer some requests with errors. */
const TREE = graphOf({
  front: { calls: ["catalog", ["reviews", "ads"], { service: "checkout", retries: 2 }] },
  catalog: { calls: ["store"] },
  reviews: { calls: [{ service: "store", retries: 1 }] },
  ads: { behavior: { errors: [{ kind: "status", status: 503, rate: 0.01, after: null }] } },
  checkout: { behavior: { errors: [{ kind: "status", status: 500, rate: 0.01, after: null }] } },
  store: { behavior: { errors: [{ kind: "status", status: 500, rate: 0.01, after: null }] } },
});

/** Returns what to send instead of a span, and adds the fault to `injected`. */
type Edit = (span: Span, injected: string[], traces: Set<string>) => readonly Span[];

function spanCase(
  fault: string,
  edit: Edit,
  verify: Pick<VerifyRunOptions, "topology"> = { topology: TREE },
): FaultCase {
  return {
    fault,
    async run(requests): Promise<Comparison> {
      await using place = startDisturbed(TREE);
      const injected: string[] = [];
      const traces = new Set<string>();
      place.proxy.edit = (spans) => spans.flatMap((span) => edit(span, injected, traces));
      return { reported: await place.verify({ requests, ...verify }), injected };
    },
  };
}

function drop(isDropped: (span: Span) => boolean): Edit {
  return (span, injected) => {
    if (!isDropped(span)) return [span];
    injected.push(missing(span));
    return [];
  };
}

/** Alters at most one span of a trace. */
function alter(field: "parent" | "service" | "kind", change: (span: Span) => Span): Edit {
  return (span, injected, traces) => {
    if (traces.has(span.traceId) || !isChosen(0.02)) return [span];
    traces.add(span.traceId);
    injected.push(altered(span, field));
    return [change(span)];
  };
}

function copy(span: Span, injected: string[]): readonly Span[] {
  injected.push(COPY);
  return [span, span];
}

const isChosen = (share: number) => Math.random() < share;
/** Selects a third of the traces, the same ones for all spans. */
const isOfThird = ({ traceId }: Span) => Number.parseInt(traceId.slice(-4), 16) % 3 === 0;

export const SPAN_CASES: readonly FaultCase[] = [
  spanCase(
    "SERVER spans dropped",
    drop(({ kind }) => kind === "SERVER" && isChosen(0.03)),
  ),
  spanCase(
    "CLIENT spans dropped",
    drop(({ kind }) => kind === "CLIENT" && isChosen(0.03)),
  ),
  spanCase("whole traces dropped", drop(isOfThird)),
  spanCase(
    "2 % of all spans dropped",
    drop(() => isChosen(0.02)),
  ),
  spanCase(
    "10 % of all spans dropped",
    drop(() => isChosen(0.1)),
  ),
  spanCase(
    "5 % of all spans dropped, no topology given",
    drop(() => isChosen(0.05)),
    { topology: null },
  ),
  spanCase(
    "parent altered",
    alter("parent", (span) => ({ ...span, parentId: "00000000000000ff" })),
  ),
  spanCase(
    "service altered",
    alter("service", (span) => ({
      ...span,
      localEndpoint: { ...span.localEndpoint, serviceName: "somebody-else" },
    })),
  ),
  spanCase(
    "kind altered",
    alter("kind", (span) => ({ ...span, kind: span.kind === "SERVER" ? "CLIENT" : "SERVER" })),
  ),
  spanCase("spans copied", (span, injected) => (isChosen(0.03) ? copy(span, injected) : [span])),
  spanCase("as many spans dropped as copied", balanced()),
];

/** Duplicates one span for each span that it drops. */
function balanced(): Edit {
  let owed = 0;
  return (span, injected) => {
    if (isChosen(0.03)) {
      owed++;
      injected.push(missing(span));
      return [];
    }
    if (owed === 0) return [span];
    owed--;
    return copy(span, injected);
  };
}
