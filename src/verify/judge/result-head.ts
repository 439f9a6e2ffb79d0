import type { ResultHead } from "../../contract/result-head.ts";
/** `release shop in namespace shop: incomplete, 2026-11-28 18:32 UTC`. */
export function titleOf({
  subject,
  url,
  startedMs,
  outcome,
}: ResultHead & { readonly outcome: string }): string {
  const time = new Date(startedMs).toISOString().slice(0, 16).replace("T", " ");
  return `${subject ?? url}: ${outcome.replaceAll("-", " ")}, ${time} UTC`;
}
