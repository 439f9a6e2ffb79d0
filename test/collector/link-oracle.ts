import type { Endpoint, Span } from "../../src/trace/span.ts";

// The rules of dependency linking one after the other, on plain lists: slow and obvious.

type Piece = { -readonly [K in keyof Span]: Span[K] };
interface Place {
  readonly span: Piece | null;
  above: Place | null;
}

/** Returns the links of a trace as `parent>child calls errors`, sorted. */
export function findLinks(spans: readonly Span[]): string[] {
  const { root, places } = placeSpans(cleanSpans(spans));
  const found: { from: string; to: string; isError: boolean }[] = [];
  const add = (from: string | undefined, to: string | undefined, isError: boolean) => {
    if (from !== undefined && to !== undefined) found.push({ from, to, isError });
  };
  for (const place of places) {
    if (place.span === null || !reaches(place, root)) continue;
    const { kind, localEndpoint, remoteEndpoint, tags, parentId } = place.span;
    const [local, remote] = [localEndpoint?.serviceName, remoteEndpoint?.serviceName];
    const hasChildren = places.some((other) => other.above === place);
    const isError = tags?.error !== undefined;
    if (kind === "CLIENT" && hasChildren) continue;
    if (kind === undefined && (local === undefined || remote === undefined)) continue;
    if ((kind === "SERVER" || kind === "CONSUMER") && place === root && remote === undefined) continue;
    if (kind === "PRODUCER") add(local, remote, isError);
    else if (kind === "CONSUMER") add(remote, local, isError);
    else {
      const ancestor = ancestorOf(place);
      const name = ancestor?.localEndpoint?.serviceName;
      const inherits =
        name !== undefined &&
        ancestor?.kind === "CLIENT" &&
        parentId === ancestor.id &&
        ancestor.tags?.error !== undefined;
      if (kind === "SERVER") add(name ?? remote, local, isError || inherits);
      else {
        if (name !== undefined && local !== undefined && name !== local) add(name, local, false);
        add(local ?? name, remote, isError || inherits);
      }
    }
  }
  const keys = new Set(found.map(({ from, to }) => `${from}>${to}`));
  return [...keys]
    .map((key) => {
      const same = found.filter(({ from, to }) => `${from}>${to}` === key);
      return `${key} ${same.length} ${same.filter(({ isError }) => isError).length}`;
    })
    .sort();
}

function ancestorOf(place: Place): Piece | null {
  for (let above = place.above; above !== null; above = above.above)
    if (above.span?.kind !== undefined) return above.span;
  return null;
}

function reaches(place: Place, root: Place): boolean {
  const seen = new Set<Place>();
  for (let at: Place | null = place; at !== null; at = at.above) {
    if (at === root) return true;
    if (seen.has(at)) return false;
    seen.add(at);
  }
  return false;
}

const FIELDS = ["serviceName", "ipv4", "ipv6"] as const;

function cleanSpans(spans: readonly Span[]): Piece[] {
  const rank = (span: Span) => (span.shared ? 2 : span.kind === "CLIENT" ? 0 : 1);
  const order = (a: Span, b: Span): number => {
    if (a.id !== b.id) return a.id < b.id ? -1 : 1;
    if (rank(a) !== rank(b)) return rank(a) - rank(b);
    if (!a.localEndpoint || !b.localEndpoint) return (a.localEndpoint ? 1 : 0) - (b.localEndpoint ? 1 : 0);
    for (const field of FIELDS) {
      const [left = "~", right = "~"] = [a.localEndpoint[field], b.localEndpoint[field]];
      if (left !== right) return left < right ? -1 : 1;
    }
    return 0;
  };
  const pieces: Piece[] = [];
  let seen: Endpoint[] = [];
  for (const span of [...spans].sort(order)) {
    const last = pieces.at(-1);
    const fits = (["serviceName", "ipv4", "ipv6", "port"] as const).every((field) => {
      const values = [...seen.map((endpoint) => endpoint[field]), span.localEndpoint?.[field]];
      return new Set(values.filter((value) => value !== undefined)).size <= 1;
    });
    if (last && last.id === span.id && Boolean(last.shared) === Boolean(span.shared) && fits) {
      for (const [key, value] of Object.entries(span)) {
        const known = (last as Record<string, unknown>)[key];
        if (key.endsWith("Endpoint"))
          Object.assign(last, { [key]: { ...(value as object), ...(known as object) } });
        else if (known === undefined) Object.assign(last, { [key]: value });
      }
      seen.push(span.localEndpoint ?? {});
    } else {
      pieces.push({ ...span });
      seen = [span.localEndpoint ?? {}];
    }
  }
  for (const [index, span] of pieces.entries()) {
    const last = pieces[index - 1];
    if (last?.id !== span.id) continue;
    if (last.kind === "CLIENT" && span.kind === "SERVER") span.shared = true;
    if (span.shared && span.parentId === undefined && last.parentId !== undefined)
      span.parentId = last.parentId;
  }
  return pieces;
}

/** Each key has one place: the value is the later span, the order is that of the key's first appearance. */
function placeSpans(spans: readonly Piece[]): { root: Place; places: Place[] } {
  const name = (id: string, endpoint?: Endpoint) =>
    `${id}/${FIELDS.map((field) => endpoint?.[field] ?? "").join("/")}/${endpoint?.port ?? ""}/${endpoint ? 1 : 0}`;
  const keyOf = (span: Span) => (span.shared ? name(span.id, span.localEndpoint) : span.id);
  const parentOf = new Map<string, string | null>();
  for (const span of spans) parentOf.set(keyOf(span), span.shared ? span.id : (span.parentId ?? null));
  const holder = new Map<string, Place>();
  let root: Place | null = null;
  for (const span of spans) {
    const place: Place = { span, above: null };
    if (span.shared) {
      holder.set(keyOf(span), place);
      holder.set(name(span.id), place);
      continue;
    }
    if (span.parentId === undefined && root === null) {
      root = place;
      parentOf.delete(span.id);
      continue;
    }
    const half = name(span.parentId ?? "", span.localEndpoint);
    if (span.parentId !== undefined && parentOf.has(half)) parentOf.set(span.id, half);
    holder.set(span.id, place);
  }
  const top = root ?? { span: null, above: null };
  const places = [top];
  for (const [key, parent] of parentOf) {
    const place = holder.get(key);
    const above = (parent === null ? undefined : holder.get(parent)) ?? top;
    if (place === undefined || place === above) continue;
    place.above = above;
    if (!places.includes(place)) places.push(place);
  }
  return { root: top, places };
}
