import type { Completion } from "./completion.ts";
import type { SeenSpan } from "./seen-span.ts";
import type { MissingSpan } from "./verdict.ts";

/** Number of spans that a link says it recorded for one trace. */
export interface RecordedSpans {
  readonly server: number;
  readonly client: number;
}

/**
 * Names the missing spans by what each link says it recorded. This also covers calls that no topology knows, such
 * as those of a mirror, and traces of which nothing arrived. Returns the completion as it is when the links do
 * not explain exactly as many missing spans.
 * @param recorded by link; `null` if the links were not asked
 */
export function nameByLinks(
  completion: Completion,
  ours: readonly SeenSpan[],
  recorded: ReadonlyMap<string, RecordedSpans> | null,
  lost: number,
): Completion {
  if (recorded === null || completion.isProved) return completion;
  const missing: MissingSpan[] = [];
  const known = [...completion.missing];
  for (const [link, { server, client }] of recorded) {
    for (const [kind, count] of [
      ["SERVER", server],
      ["CLIENT", client],
    ] as const) {
      const gap = count - ours.filter((span) => span.serviceName === link && span.kind === kind).length;
      // A span that nobody recorded: something else happened to the trace as well.
      if (gap < 0) return completion;
      for (let index = 0; index < gap; index++) missing.push(takeKnown(known, link, kind));
    }
  }
  return missing.length === lost ? { missing, unattributed: 0, isProved: false } : completion;
}

/** Takes a span that was already named, because its edge and id are known. */
function takeKnown(known: MissingSpan[], link: string, kind: MissingSpan["kind"]): MissingSpan {
  const at = known.findIndex((span) => span.link === link && span.kind === kind);
  const [found] = at < 0 ? [] : known.splice(at, 1);
  return found ?? { link, kind, edge: null, id: null, parentId: undefined };
}
