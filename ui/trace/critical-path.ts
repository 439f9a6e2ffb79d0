/** The input for the critical path. Times are in microseconds. */
interface PathRow {
  readonly index: number;
  /** Index of the parent's row, which comes before this one; -1 for a root. */
  readonly parent: number;
  /** The span names a parent that is missing from the trace. */
  readonly isOrphan: boolean;
  /** `null` if unknown. */
  readonly start: number | null;
  /** 0 if unknown. */
  readonly duration: number;
  isCritical: boolean;
}

/** A part of the root's time and the span to which it belongs. */
export interface PathSegment {
  readonly index: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Starts and durations are rounded separately, so adjacent spans may seem to overlap by this many
 * microseconds.
 */
const ROUNDING = 2;

/** The part of a span that lies within its parent, and its children's parts. */
interface Part {
  readonly row: PathRow;
  readonly start: number;
  readonly end: number;
  readonly children: Part[];
}

/**
 * The critical path: the spans that decided how long the trace took. Each moment of the root's duration
 * belongs to exactly one of them. The search walks backwards from the end of the root and takes the child
 * that ends last. From the start of that child, it takes the child that ends last before this start, within
 * {@link ROUNDING}: a child that ends later ran in parallel with one on the path. Time without such a child
 * belongs to the span itself. Each child on the path is searched in the same way, from its end or from the
 * end of its time on the path. Children are clipped to their parents. Of several roots, the search takes the
 * one that ends last. A span whose times are unknown is skipped: its children count as its parent's.
 * @returns the segments, latest first; also sets `isCritical` of each span on the path
 */
export function markCriticalPath(rows: readonly PathRow[]): PathSegment[] {
  const root = findRoot(clipRows(rows));
  const segments: PathSegment[] = [];
  const stack: [part: Part, until: number][] = root === undefined ? [] : [[root, root.end]];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [{ row, start, children }, until] = next;
    row.isCritical = true;
    let moment = until;
    // Of spans that end together, the longest counts.
    children.sort((a, b) => b.end - a.end || a.start - b.start);
    for (const child of children) {
      const end = Math.min(child.end, moment);
      if (child.end > moment + ROUNDING || child.start >= end) continue;
      if (end < moment) segments.push({ index: row.index, from: end, to: moment });
      stack.push([child, end]);
      moment = child.start;
    }
    if (start < moment) segments.push({ index: row.index, from: start, to: moment });
  }
  return segments.sort((a, b) => b.from - a.from);
}

/** The parts of the roots and of all their descendants. */
function clipRows(rows: readonly PathRow[]): Part[] {
  const roots: Part[] = [];
  // Entry of each row; for a span whose times are unknown, the entry of its parent.
  const parts: (Part | undefined)[] = [];
  for (const row of rows) {
    const parent = parts[row.parent];
    parts.push(parent);
    if (row.start === null || row.duration <= 0) continue;
    const start = Math.max(row.start, parent?.start ?? row.start);
    const end = Math.min(row.start + row.duration, parent?.end ?? Number.POSITIVE_INFINITY);
    // Outside its parent, neither the span nor its descendants are on the path.
    const part: Part = { row, start, end: Math.max(start, end), children: [] };
    parts[parts.length - 1] = part;
    if (parent === undefined) roots.push(part);
    else if (start < end) parent.children.push(part);
  }
  return roots;
}

function findRoot(roots: readonly Part[]): Part | undefined {
  const rank = ({ row }: Part) => Number(row.parent < 0) + Number(row.parent < 0 && !row.isOrphan);
  return roots.reduce<Part | undefined>((best, root) => {
    if (best === undefined || rank(root) > rank(best)) return root;
    return rank(root) === rank(best) && root.end > best.end ? root : best;
  }, undefined);
}
