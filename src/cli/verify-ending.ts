import { type ErrorCode, UserError } from "../lib/errors.ts";
import { unwritable } from "../lib/unwritable.ts";
import type { PropagationResult } from "../verify/propagation.ts";
import type { VerifyResult } from "../verify/result.ts";
import { EXIT } from "./exit.ts";
import type { Output } from "./output.ts";
import type { VerifyValues } from "./verify-flags.ts";
import { renderVerifyReport } from "./verify-report.ts";

/** Writes and prints what verify found; resolves to the exit code. */
export async function endVerify(result: VerifyResult, flags: VerifyValues, output: Output): Promise<number> {
  await writeFiles(flags, result);
  await output.result(flags.output === "json" ? `${JSON.stringify(result)}\n` : renderVerifyReport(result));
  return EXIT_OF[result.outcome];
}

export const EXIT_OF = {
  complete: EXIT.done,
  incomplete: EXIT.failed,
  "could-not-tell": EXIT.couldNotTell,
} as const;

/** What cannot be read is no failure of the spans: `null` for any other error. */
export function endUnread(error: unknown, output: Output): number | null {
  const isUnread = error instanceof UserError && UNREAD.includes(error.code);
  if (!isUnread) return null;
  output.error(error.message);
  if (error.hint !== undefined) output.raw(`         ${output.style("dim", error.hint)}\n`);
  return EXIT.couldNotTell;
}

const UNREAD: readonly ErrorCode[] = [
  "backend-unreadable",
  "ledger-unreadable",
  "start-failed",
  "kubeconfig-invalid",
  "credentials-invalid",
  "cluster-unreachable",
  "cluster-error",
  "forbidden",
  "namespace-unusable",
  "release-invalid",
  "release-not-found",
];

/** The files that were asked for. */
export async function writeFiles(
  { junit, report }: Pick<VerifyValues, "junit" | "report">,
  result: VerifyResult | PropagationResult,
): Promise<void> {
  const write = async (file: string, text: string) => {
    try {
      await Bun.write(file, text, { createPath: false });
    } catch (error) {
      throw unwritable(file, error);
    }
  };
  if (junit !== null) {
    const { renderJunit, renderPropagationJunit } = await import("../verify/junit.ts");
    await write(junit, "spans" in result ? renderJunit(result) : renderPropagationJunit(result));
  }
  if (report !== null)
    await write(report, await (await import("../verify/report-page.ts")).renderReportPage(result));
}
