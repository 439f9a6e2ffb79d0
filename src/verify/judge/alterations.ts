import { type Digest, ledgerOfSpan, xor } from "./digest.ts";
import type { SeenSpan } from "./seen-span.ts";
import type { TraceView } from "./trace-view.ts";
import type { AlteredSpan } from "./verdict.ts";

/** One possible alteration of a span, and how undoing it changes the spans' digest. */
interface Repair extends Digest {
  readonly span: SeenSpan;
  /** How undoing it changes the count. */
  readonly count: -1 | 0 | 1;
  /** `null`: the span does not belong to the trace. */
  readonly altered: AlteredSpan | null;
}

export interface Alterations {
  readonly altered: readonly AlteredSpan[];
  readonly unexpected: readonly SeenSpan[];
}

/** Pairs are found by lookup; triples cost the square of this number. */
const MAX_FOR_TRIPLES = 700;
const MAX_REPAIRS = 200_000;
const KINDS = ["SERVER", "CLIENT", "PRODUCER", "CONSUMER", undefined] as const;

/**
 * Finds the smallest set of alterations, at most three, whose reversal makes the spans match the ledger.
 * `residual` is the XOR of both digests; `count` is how many more spans the ledger has. Equal 64-bit digests
 * are the proof. Returns `null` when there is no such set.
 */
export function findAlterations(
  view: TraceView,
  foreign: readonly SeenSpan[],
  services: ReadonlySet<string>,
  residual: Digest,
  count: number,
  maxRepairs = MAX_REPAIRS,
): Alterations | null {
  const parents = new Set<string | null>([null, ...view.absentParents().keys()]);
  for (const { id } of [...view.ours, ...foreign]) parents.add(id);
  // Check the number before listing: listing takes 20 s for a trace of 2,000 spans.
  const perSpan = parents.size + KINDS.length + services.size;
  if (view.ours.length * perSpan + foreign.length * services.size > maxRepairs) return null;
  const repairs = [...listRepairs(view, foreign, services, parents)];
  const byLow = Map.groupBy(repairs, ({ low }) => low);
  const find = (wanted: Digest, wantedCount: number, chosen: readonly Repair[]): Alterations | null => {
    for (const repair of byLow.get(wanted.low) ?? []) {
      const isFit = repair.high === wanted.high && repair.count === wantedCount;
      if (isFit && chosen.every(({ span }) => span !== repair.span)) return describe([...chosen, repair]);
    }
    return null;
  };
  const single = find(residual, count, []);
  if (single !== null) return single;
  for (const first of repairs) {
    const found = find(xor(residual, first), count - first.count, [first]);
    if (found !== null) return found;
  }
  if (repairs.length > MAX_FOR_TRIPLES) return null;
  for (const [index, first] of repairs.entries()) {
    for (const second of repairs.slice(index + 1)) {
      if (second.span === first.span) continue;
      const rest = xor(xor(residual, first), second);
      const found = find(rest, count - first.count - second.count, [first, second]);
      if (found !== null) return found;
    }
  }
  return null;
}

function* listRepairs(
  view: TraceView,
  foreign: readonly SeenSpan[],
  services: ReadonlySet<string>,
  parents: ReadonlySet<string | null>,
): Generator<Repair> {
  for (const span of view.ours) {
    const is = ledgerOfSpan(span);
    const alter = (
      field: AlteredSpan["field"],
      was: string | null,
      value: string | null,
      changed: SeenSpan,
    ): Repair => ({
      ...xor(is, ledgerOfSpan(changed)),
      span,
      count: 0,
      altered: { span, field, was, is: value },
    });
    yield { high: is.high, low: is.low, span, count: -1, altered: null };
    for (const parentId of parents) {
      if (parentId === span.parentId || parentId === span.id) continue;
      yield alter("parent", parentId, span.parentId, { ...span, parentId });
    }
    for (const kind of KINDS) {
      if (kind === span.kind) continue;
      yield alter("kind", kind ?? null, span.kind ?? null, { ...span, kind });
    }
    for (const serviceName of services) {
      if (serviceName === span.serviceName) continue;
      yield alter("service", serviceName, span.serviceName, { ...span, serviceName });
    }
  }
  for (const span of foreign) {
    for (const serviceName of services) {
      const { high, low } = ledgerOfSpan({ ...span, serviceName });
      const altered = { span, field: "service", was: serviceName, is: span.serviceName } as const;
      yield { high, low, span, count: 1, altered };
    }
  }
}

function describe(repairs: readonly Repair[]): Alterations {
  return {
    altered: repairs.flatMap(({ altered }) => altered ?? []),
    unexpected: repairs.flatMap(({ altered, span }) => (altered === null ? span : [])),
  };
}
