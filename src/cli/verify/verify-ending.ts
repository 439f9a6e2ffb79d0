import type { PropagationResult } from "../../contract/propagation-result.ts";
import type { VerifyResult } from "../../contract/verify-result.ts";
import { type ErrorCode, UserError } from "../../lib/errors.ts";
import { checkResultFile, writeResultFile } from "../../lib/result-file.ts";
import { isPassed } from "../../verify/result/result.ts";
import { EXIT } from "../shell/exit.ts";
import type { Output } from "../shell/output.ts";
import type { VerifyValues } from "./verify-flags.ts";
import { renderVerifyReport } from "./verify-report.ts";

/** Writes and prints the result; resolves to the exit code. */
export async function endVerify(result: VerifyResult, flags: VerifyValues, output: Output): Promise<number> {
  await writeAndPrint(flags, result, renderVerifyReport, output);
  return exitOf(result);
}

/** An unmet expectation turns success into failure; an undetermined one turns it into "could not tell". */
function exitOf({ outcome, platform, sampling }: VerifyResult): number {
  const expected = [...(platform?.expected ?? []), ...(sampling?.expected ?? [])];
  if (!isPassed(outcome)) return EXIT_OF[outcome];
  if (expected.some((it) => it.outcome === "not-met")) return EXIT.failed;
  return expected.some((it) => it.outcome === "could-not-tell") ? EXIT.couldNotTell : EXIT.done;
}

export const EXIT_OF = {
  complete: EXIT.done,
  "within-allowed-loss": EXIT.done,
  incomplete: EXIT.failed,
  "could-not-tell": EXIT.couldNotTell,
} as const;

/**
 * Prints a user's error and returns its exit code: "could not tell" when something cannot be read, and wrong usage for
 * everything else, such as a bad document. Returns `null` for any other error.
 */
export function endWithError(error: unknown, output: Output): number | null {
  if (!(error instanceof UserError)) return null;
  output.failure(error);
  return UNREAD.includes(error.code) ? EXIT.couldNotTell : EXIT.usage;
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

/**
 * Checks the output files, before anything is started or sent.
 * @throws {UserError} `file-unwritable`
 */
export function prepareFiles({ junit, report }: FileValues): void {
  for (const file of [junit, report]) if (file !== null) checkResultFile(file);
}

type FileValues = Pick<VerifyValues, "junit" | "report">;

/** Writes the requested files. Prints the result even if a file cannot be written, because the run has been made. */
export async function writeAndPrint<T extends VerifyResult | PropagationResult>(
  flags: FileValues & Pick<VerifyValues, "output">,
  result: T,
  render: (result: T) => string,
  output: Output,
): Promise<void> {
  try {
    await writeFiles(flags, result);
  } finally {
    await output.result(flags.output === "json" ? `${JSON.stringify(result)}\n` : render(result));
  }
}

async function writeFiles(
  { junit, report }: FileValues,
  result: VerifyResult | PropagationResult,
): Promise<void> {
  if (junit !== null) {
    const { renderJunit, renderPropagationJunit } = await import("../../verify/result/junit.ts");
    writeResultFile(junit, "spans" in result ? renderJunit(result) : renderPropagationJunit(result));
  }
  if (report !== null) {
    const { renderReportPage } = await import("../../verify/result/report-page.ts");
    writeResultFile(report, await renderReportPage(result));
  }
}
