import type { VerifyResult } from "../../src/contract/verify-result.ts";
import type { Span } from "../../src/trace/span.ts";

/** Returns one statement for each fault that a result reports, to compare with the injected faults. */
export function claimsOf(result: VerifyResult): string[] {
  const claims = result.examples.flatMap(({ traceId, findings }) =>
    findings.flatMap((finding) => {
      const claim = toClaim(finding);
      return claim === null ? [] : `${traceId} ${claim}`;
    }),
  );
  for (const { edge, reason, calls } of result.failedCalls)
    claims.push(...repeat(`${edge} ${reason}`, calls));
  claims.push(...repeat(COPY, result.spans.copies));
  return claims;
}

/** The collector stores a duplicated span once and counts duplicates per trace, so no claim names the span. */
export const COPY = "copy";

export function missing({ traceId, kind, localEndpoint }: Span): string {
  return `${traceId} misses ${kind} of ${localEndpoint?.serviceName}`;
}

export function altered(span: Span, field: "parent" | "service" | "kind"): string {
  return `${span.traceId} ${field} of span ${span.id}`;
}

export function repeat(claim: string, count: number): string[] {
  return Array.from({ length: count }, () => claim);
}

/** Reduces a finding to the fault itself. Spans that cannot be identified make no claim. */
function toClaim(finding: string): string | null {
  if (finding.includes("cannot be identified") || finding.includes("arrived more than once")) return null;
  const [claim = finding] =
    /^misses (SERVER|CLIENT) of [^\s,]+/.exec(finding) ??
    /^(parent|kind|service) of span \w+/.exec(finding) ??
    [];
  return claim;
}
