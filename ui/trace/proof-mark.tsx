import type { TraceProof } from "../../src/contract/proof.ts";
import { formatCount } from "../format.ts";
import { Icon } from "../shell/icon.tsx";

/** Shows whether a trace is complete, by the ledger of its request. */
export function ProofMark({ proof, isShort }: { readonly proof: TraceProof; readonly isShort?: boolean }) {
  const { state, seen, expected, findings } = proof;
  const of =
    expected === null
      ? formatCount(seen, "span")
      : `${seen.toLocaleString("en")} of ${formatCount(expected, "span")}`;
  const [icon, tone, word] = MARKS[state];
  const title = [`${word} by the ledger: ${of}`, ...findings].join("\n");
  return (
    <span class={`proof ${tone}`} title={title}>
      <Icon name={icon} />
      {isShort
        ? state === "incomplete"
          ? `${seen} of ${expected ?? "?"}`
          : word
        : `${word} by the ledger: ${of}`}
    </span>
  );
}

const MARKS = {
  complete: ["check", "good", "complete"],
  waiting: ["clock", "hint", "coming in"],
  incomplete: ["error", "bad", "incomplete"],
  unknown: ["clock", "note", "not known"],
} as const;
