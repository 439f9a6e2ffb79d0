import type { Ledger } from "../../trace/ledger.ts";
import { isSameLedger, ledgerOf, xor } from "./digest.ts";
import type { SeenSpan } from "./seen-span.ts";

/** Which services are links. */
export interface Ownership {
  /** Names of our links; `null` if unknown, in which case any service may be one. */
  readonly services: ReadonlySet<string> | null;
  /** Services proved not to be links. */
  readonly foreign: ReadonlySet<string>;
  /** Origins (see {@link originOf}) that look foreign but are proved to be links. @default none */
  readonly stripped?: ReadonlySet<string>;
  /**
   * Whether spans that look like a link's were seen before, which proves that the backend keeps the
   * identifying tags. @default false
   */
  readonly isMarked?: boolean;
}

interface SortedSpans {
  /** Spans of our links, without copies. */
  readonly ours: readonly SeenSpan[];
  readonly foreign: readonly SeenSpan[];
  readonly copies: readonly SeenSpan[];
  /** Copies that differ in fields covered by the ledger. One of them is the original. */
  readonly alternatives: readonly SeenSpan[];
}

/** Maximum number of origins, because every subset is tried. */
const MAX_ORIGINS = 10;

/**
 * Separates spans of links from those of the platform by service name and recorder, because a sidecar or an
 * eBPF agent may report under the name of a link. If a backend or collector drops tags, spans of links look
 * foreign as well, so the ledger's digest decides. If spans are missing and it cannot, a trace in which no
 * span looks like a link's is separated by names alone.
 */
export function sortSpans(
  spans: readonly SeenSpan[],
  ownership: Ownership,
  ledger: Ledger | null,
): SortedSpans {
  const named = spans.filter((span) => isNamed(span, ownership));
  const others = spans.filter((span) => !isNamed(span, ownership));
  const sure = named.filter(({ recorder }) => recorder === undefined);
  if (sure.length === named.length) return split(named, others);
  const origins = Map.groupBy(
    named.filter(({ recorder }) => recorder !== undefined),
    originOf,
  );
  const chosen =
    (ledger === null ? null : findOurs(sure, origins, ledger)) ?? guessOurs(sure, origins, ownership);
  const isOurs = (span: SeenSpan) => span.recorder === undefined || chosen.has(originOf(span));
  return split(named.filter(isOurs), [...others, ...named.filter((span) => !isOurs(span))]);
}

/** Returns the origin of a span: its service and recorder. Either all spans of an origin are ours, or none. */
export function originOf({ serviceName, recorder = "" }: SeenSpan): string {
  return `${serviceName} ${recorder}`;
}

function isNamed({ serviceName }: SeenSpan, { services, foreign }: Ownership): boolean {
  return services === null ? !foreign.has(serviceName) : services.has(serviceName);
}

type Origins = ReadonlyMap<string, readonly SeenSpan[]>;

/** Returns the smallest set of origins whose spans match the ledger, or `null`. */
function findOurs(sure: readonly SeenSpan[], origins: Origins, ledger: Ledger): ReadonlySet<string> | null {
  const names = [...origins.keys()];
  const base = ledgerOf(unique(sure));
  const parts = names.map((name) => ledgerOf(unique(origins.get(name) ?? [])));
  const all = 2 ** names.length - 1;
  const masks = names.length > MAX_ORIGINS ? [0, all] : Array.from({ length: all + 1 }, (_, mask) => mask);
  for (const mask of masks) {
    const isIn = (_: unknown, index: number) => (mask & (1 << index)) !== 0;
    const total = parts.filter(isIn).reduce(sum, base);
    if (isSameLedger(total, ledger)) return new Set(names.filter(isIn));
  }
  return null;
}

function sum(a: Ledger, b: Ledger): Ledger {
  return { count: a.count + b.count, ...xor(a, b), unknown: a.unknown };
}

function guessOurs(
  sure: readonly SeenSpan[],
  origins: Origins,
  { stripped, isMarked = false }: Ownership,
): ReadonlySet<string> {
  if (sure.length === 0 && !isMarked) return new Set(origins.keys());
  return new Set([...origins.keys()].filter((origin) => stripped?.has(origin)));
}

function split(named: readonly SeenSpan[], foreign: readonly SeenSpan[]): SortedSpans {
  const ours: SeenSpan[] = [];
  const copies: SeenSpan[] = [];
  const alternatives: SeenSpan[] = [];
  const seen = new Map<string, SeenSpan>();
  for (const span of named) {
    const first = seen.get(span.id);
    if (first === undefined) {
      seen.set(span.id, span);
      ours.push(span);
    } else {
      copies.push(span);
      if (!isSameSpan(first, span)) alternatives.push(span);
    }
  }
  return { ours, foreign, copies, alternatives };
}

function unique(spans: readonly SeenSpan[]): readonly SeenSpan[] {
  return [...new Map(spans.map((span) => [span.id, span])).values()];
}

function isSameSpan(a: SeenSpan, b: SeenSpan): boolean {
  return a.parentId === b.parentId && a.kind === b.kind && a.serviceName === b.serviceName;
}
