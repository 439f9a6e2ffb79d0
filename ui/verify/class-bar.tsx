import type { TraceClass } from "../../src/contract/trace-class.ts";
import { formatCount, formatShare } from "../format.ts";

/** In the order of the bar: good outcomes, unknown ones, then problems. */
const CLASSES: readonly (readonly [name: TraceClass, tone: string, says: string])[] = [
  ["complete", "well", "every span arrived exactly once, as recorded"],
  ["not-sampled", "idle", "the request was not sampled"],
  ["unreached", "idle", "something in front of the entry answered, so no link was called"],
  ["sampled-out", "idle", "no span arrived, and the pipeline may sample"],
  ["duplicated", "note", "a span arrived more than once"],
  [
    "unknown",
    "unknown",
    "a call or the request itself got no answer, or spans may still arrive: nobody knows what to expect",
  ],
  ["orphaned", "odd", "a span names a parent that is missing"],
  ["broken-context", "odd", "a callee started a trace of its own"],
  ["unexpected", "odd", "a span that no ledger covers"],
  ["altered", "odd", "as many spans as were recorded, but not the same ones"],
  ["wrong-service", "odd", "a span names a service that did not record it"],
  ["wrong-parent", "odd", "a span does not name the parent it was recorded with"],
  ["partial", "lost", "some spans are missing"],
  ["not-found", "gone", "all spans are missing"],
];

/** All traces of a run as one bar, with a legend. Parts too thin to see are widened to 4 px. */
export function ClassBar({ traces }: { readonly traces: Readonly<Record<TraceClass, number>> }) {
  const total = Object.values(traces).reduce((sum, count) => sum + count, 0);
  const given = CLASSES.filter(([name]) => (traces[name] ?? 0) > 0);
  if (total === 0) return <p class="hint">No request has ended yet.</p>;
  return (
    <>
      <div
        class="class-bar"
        role="img"
        aria-label={given.map(([name]) => `${traces[name]} ${wordsOf(name)}`).join(", ")}
      >
        {given.map(([name, tone]) => (
          <i key={name} class={tone} style={{ flexGrow: traces[name] }} title={wordsOf(name)} />
        ))}
      </div>
      <dl class="class-list">
        {given.map(([name, tone, says]) => (
          <div key={name}>
            <dt>
              <i class={`class-key ${tone}`} />
              {wordsOf(name)}
            </dt>
            <dd>
              <b>{traces[name].toLocaleString("en")}</b> {formatShare(traces[name] / total)}
              <span class="hint">{says}</span>
            </dd>
          </div>
        ))}
      </dl>
      <p class="sr-only">{formatCount(total, "trace")} in all</p>
    </>
  );
}

export function wordsOf(name: TraceClass): string {
  return name.replaceAll("-", " ");
}
