// https://github.com/testmoapp/junitxml
import type { VerifyResult } from "./result.ts";
import { isFine, TRACE_CLASSES } from "./verdict.ts";

/** The result as a JUnit file: one case for the whole and one for each class of traces that says something is wrong. */
export function renderJunit(result: VerifyResult): string {
  const cases = TRACE_CLASSES.filter((name) => !isFine(name)).map((name) => {
    const count = result.traces[name];
    const examples = result.examples.filter((example) => example.class === name);
    const text = examples.map(({ traceId, findings }) => `${traceId}: ${findings.join("; ")}`).join("\n");
    const body = `<failure message="${escapeText(`${count} traces: ${name}`)}">${escapeText(text)}</failure>`;
    const isFailed = count > 0 && result.outcome !== "complete";
    return `    <testcase classname="verify" name="no trace is ${name}">${isFailed ? body : ""}</testcase>`;
  });
  const { expected, missing } = result.spans;
  const failure =
    result.outcome === "complete"
      ? ""
      : `<failure message="${result.outcome}: ${missing} of ${expected} spans are missing"/>`;
  const failures =
    cases.filter((it) => it.includes("<failure")).length + (result.outcome === "complete" ? 0 : 1);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    "<testsuites>",
    `  <testsuite name="chain-link verify" tests="${cases.length + 1}" failures="${failures}">`,
    `    <testcase classname="verify" name="every span of run ${escapeText(result.run)} arrived">${failure}</testcase>`,
    ...cases,
    "  </testsuite>",
    "</testsuites>\n",
  ].join("\n");
}

/** For text and attributes of XML and HTML; characters that XML 1.0 cannot have are left out. */
export function escapeText(text: string): string {
  return text
    .replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd]/g, "")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
