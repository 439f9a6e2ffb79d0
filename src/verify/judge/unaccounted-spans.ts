import type { Ledger } from "../../trace/ledger.ts";
import { type Digest, isSameLedger, isZero, ledgerOf, xor } from "./digest.ts";
import type { SeenSpan } from "./seen-span.ts";
import { isCut, type TraceView } from "./trace-view.ts";

/** Maximum number of subsets tried. A trace with many parts that no ledger covers is given up. */
const MAX_TRIES = 50_000;

/** The spans of a trace that no ledger covers. */
interface UnaccountedSpans {
  readonly spans: ReadonlySet<SeenSpan>;
  /** Whether the trace matches the ledger without these spans, which proves it. */
  readonly isProved: boolean;
  /** Whether the search stopped early, so that another set might prove it. */
  readonly isGivenUp: boolean;
}

/** A subtree with or without its root. */
interface Part extends Digest {
  readonly root: SeenSpan;
  readonly spans: ReadonlySet<SeenSpan>;
}

/**
 * Finds the spans that the ledger does not cover. These are always the spans below calls without an answer.
 * For each unknown call that the ledger counts, they may also be those of a callee whose answer carried no
 * ledger, or of a request that was sent twice.
 */
export function findUnaccountedSpans(view: TraceView, ledger: Ledger): UnaccountedSpans {
  const cuts = view.ours.filter(isCut);
  const certain = new Set(cuts.flatMap(({ id }) => [...view.below(id)]));
  // A callee whose process ended before it exported leaves the spans of its own callees without a parent.
  const loose = new Set(certain);
  for (const id of view.absentParents().keys()) for (const span of view.below(id)) loose.add(span);
  let isGivenUp = false;
  for (const base of loose.size > certain.size ? [certain, loose] : [certain]) {
    const found = new PartSearch(view, ledger, base).find(Math.max(0, ledger.unknown - cuts.length));
    if (found === GIVEN_UP) isGivenUp = true;
    else if (found !== null) return { spans: found, isProved: true, isGivenUp: false };
  }
  return { spans: certain, isProved: false, isGivenUp };
}

const GIVEN_UP = "given up";

class PartSearch {
  readonly #base: ReadonlySet<SeenSpan>;
  readonly #known: readonly SeenSpan[];
  readonly #ledger: Ledger;
  readonly #parts: readonly Part[];
  readonly #byLow: ReadonlyMap<number, readonly Part[]>;
  #tries = 0;

  constructor(view: TraceView, ledger: Ledger, base: ReadonlySet<SeenSpan>) {
    this.#base = base;
    this.#ledger = ledger;
    this.#known = view.ours.filter((span) => !base.has(span));
    this.#parts = this.#known.length > ledger.count ? [...listParts(view, base)] : [];
    this.#byLow = Map.groupBy(this.#parts, ({ low }) => low);
  }

  find(most: number): ReadonlySet<SeenSpan> | null | typeof GIVEN_UP {
    const known = ledgerOf(this.#known);
    if (isSameLedger(known, this.#ledger)) return this.#base;
    const chosen = this.#choose(xor(known, this.#ledger), known.count - this.#ledger.count, most, 0, []);
    if (chosen !== null) return new Set([...this.#base, ...chosen.flatMap(({ spans }) => [...spans])]);
    return this.#tries > MAX_TRIES ? GIVEN_UP : null;
  }

  /** Finds parts whose counts and digests add up to the remainder. The last part is found by lookup. */
  #choose(
    left: Digest,
    count: number,
    most: number,
    from: number,
    chosen: readonly Part[],
  ): readonly Part[] | null {
    if (most === 0 || count <= 0) return null;
    const isFree = ({ root, spans }: Part) =>
      chosen.every((other) => !other.spans.has(root) && !spans.has(other.root));
    for (const part of this.#byLow.get(left.low) ?? [])
      if (part.spans.size === count && isZero(xor(left, part)) && isFree(part)) return [...chosen, part];
    if (most === 1) return null;
    for (let index = from; index < this.#parts.length; index++) {
      const part = this.#parts[index] as Part;
      if (part.spans.size >= count || !isFree(part)) continue;
      if (++this.#tries > MAX_TRIES) return null;
      const found = this.#choose(xor(left, part), count - part.spans.size, most - 1, index + 1, [
        ...chosen,
        part,
      ]);
      if (found !== null) return found;
    }
    return null;
  }
}

function* listParts(view: TraceView, base: ReadonlySet<SeenSpan>): Generator<Part> {
  for (const root of view.ours) {
    if (base.has(root)) continue;
    const spans = view.below(root.id);
    for (const span of base) spans.delete(span);
    if (root.kind === "SERVER" && root.parentId !== null) spans.add(root);
    if (spans.size === 0) continue;
    const { high, low } = ledgerOf(spans);
    yield { root, spans, high, low };
  }
}
