import { signal } from "@preact/signals";
import type { PropagationResult } from "../../src/contract/propagation-result.ts";
import type { ResultHead } from "../../src/contract/result-head.ts";
import type { VerifyResult } from "../../src/contract/verify-result.ts";

/** The output of `verify -o json` or `verify --propagation -o json`. */
export type ResultFile =
  | { readonly kind: "result"; readonly value: VerifyResult }
  | { readonly kind: "propagation"; readonly value: PropagationResult };

/** A file that was opened in this page. It is never sent anywhere. */
export const openedFile = signal<(ResultFile & { readonly name: string }) | null>(null);
export const fileProblem = signal("");

export async function openFile(file: File): Promise<void> {
  const found = readResult(await file.text());
  fileProblem.value =
    found === null ? `${file.name} is not a result: open the output of 'chain-link verify -o json'.` : "";
  if (found !== null) openedFile.value = { ...found, name: file.name };
}

/** Reads a result; `null` for any other text. */
export function readResult(text: string): ResultFile | null {
  let value: Partial<VerifyResult & PropagationResult>;
  try {
    value = JSON.parse(text) ?? {};
  } catch {
    return null;
  }
  if (Array.isArray(value.forms) && Array.isArray(value.edges))
    return { kind: "propagation", value: { ...UNTOLD, ...value } as PropagationResult };
  const isResult =
    typeof value.traces === "object" && Array.isArray(value.seconds) && Array.isArray(value.examples);
  return isResult
    ? {
        kind: "result",
        value: {
          ...UNTOLD,
          calls: [],
          losses: [],
          platform: null,
          doubt: null,
          unknownCauses: {},
          ...value,
        } as VerifyResult,
      }
    : null;
}

/** Defaults for fields that results of earlier versions lack. */
const UNTOLD: Omit<ResultHead, "url" | "backend"> = { subject: null, startedMs: 0, endedMs: 0, judgedMs: 0 };
