import type { Ledger } from "../../trace/ledger.ts";
import { type Digest, isSameLedger, isZero, ledgerOf, xor } from "./digest.ts";
import type { SeenSpan } from "./seen-span.ts";
import { isCut, type TraceView } from "./trace-view.ts";

/** Sets of parts that are tried; a trace with many parts that nobody has an account of is given up. */
const MAX_TRIES = 50_000;

/** What of a trace is in nobody's account. */
export interface UnaccountedSpans {
  readonly spans: ReadonlySet<SeenSpan>;
  /** Without them the account is right, which proves it. */
  readonly isProved: boolean;
  /** There may be others that would prove it. */
  readonly isGivenUp: boolean;
}

/** A span and what is below it, or what is below it alone. */
interface Part extends Digest {
  readonly root: SeenSpan;
  readonly spans: ReadonlySet<SeenSpan>;
}

/**
 * The spans that the ledger leaves out: always those below calls without an answer, perhaps those of a callee whose answer
 * had no account, or of a request that was sent twice, one part for each that is unknown.
 */
export function findUnaccountedSpans(view: TraceView, ledger: Ledger): UnaccountedSpans {
  const cuts = view.ours.filter(isCut);
  const certain = new Set(cuts.flatMap(({ id }) => [...view.below(id)]));
  // A callee whose own spans never left, as its process ended, leaves those that it called in the air.
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

  /** Parts of so many spans in all whose digests make up what is left; the last one is looked up. */
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
