import type { EdgeFinding, PropagationResult } from "../../src/contract/propagation-result.ts";
import { formatCount } from "../format.ts";
import { HeadFacts } from "./head-facts.tsx";

const UNUSED_SIGN = "–";
const SIGNS: Readonly<Record<EdgeFinding["state"], readonly [sign: string, tone: string]>> = {
  kept: ["✓ kept", "good"],
  changed: ["≠ changed", "bad"],
  broken: ["✕ broken", "bad"],
  unknown: ["? not known", "note"],
  unused: [UNUSED_SIGN, "hint"],
};

const TITLES: Readonly<Record<PropagationResult["outcome"], string>> = {
  kept: "Every form of context is kept",
  broken: "A form of context is not kept",
  "could-not-tell": "Could not tell which forms of context are kept",
};

/** The result of `verify --propagation`: the forms of trace context that every edge keeps. */
export function PropagationTable({ result }: { readonly result: PropagationResult }) {
  const hasUnused = result.forms.some(({ edges }) =>
    result.edges.some((edge) => (edges[edge]?.state ?? "unused") === "unused"),
  );
  return (
    <section class="propagation">
      <h1>{TITLES[result.outcome]}</h1>
      <HeadFacts head={result} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls has to be reached by keyboard */}
      <section class="scroll-x" tabIndex={0} aria-label="Forms of trace context by edge">
        <table class="conformance">
          <thead>
            <tr>
              <th scope="col">Form</th>
              {result.edges.map((edge) => (
                <th scope="col" key={edge}>
                  {edge}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {result.forms.map(({ form, edges }) => (
              <tr key={form}>
                <th scope="row">{form}</th>
                {result.edges.map((edge) => {
                  const { state, detail } = edges[edge] ?? { state: "unused" as const, detail: null };
                  const [sign, tone] = SIGNS[state];
                  return (
                    <td key={edge} class={tone}>
                      {sign}
                      {detail !== null && <small>{detail}</small>}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <p class="hint">
        {formatCount(result.requests, "request")}.
        {hasUnused && ` ${UNUSED_SIGN}: the edge was not called, or lies below a broken one.`}
      </p>
    </section>
  );
}
