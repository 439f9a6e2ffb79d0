// https://github.com/testmoapp/junitxml

import type { Expected } from "../../contract/platform.ts";
import type { PropagationResult } from "../../contract/propagation-result.ts";
import { isFine, TRACE_CLASSES } from "../../contract/trace-class.ts";
import type { VerifyResult } from "../../contract/verify-result.ts";
import { formatCount } from "../../lib/count.ts";
import { visibleText } from "../../lib/visible-text.ts";
import { isPassed } from "./result.ts";

/** Renders the result as JUnit XML: one case for the whole run and one for each class of bad traces. */
export function renderJunit(result: VerifyResult): string {
  const cases = TRACE_CLASSES.filter((name) => !isFine(name)).map((name) => {
    const count = result.traces[name];
    const examples = result.examples.filter((example) => example.class === name);
    const text = examples.map(({ traceId, findings }) => `${traceId}: ${findings.join("; ")}`).join("\n");
    const body = `<failure message="${escapeText(`${formatCount(count, "trace")}: ${name}`)}">${escapeText(text)}</failure>`;
    const isFailed = count > 0 && !isPassed(result.outcome);
    return `    <testcase classname="verify" name="no trace is ${name}">${isFailed ? body : ""}</testcase>`;
  });
  const { expected, missing } = result.spans;
  const { outcome, doubt } = result;
  const body =
    doubt !== null
      ? `<error message="${escapeText(doubt)}"/>`
      : isPassed(outcome)
        ? ""
        : `<failure message="${outcome}: ${missing} of ${formatCount(expected, "span")} ${missing === 1 ? "is" : "are"} missing"/>`;
  const whole = `    <testcase classname="verify" name="every span of run ${escapeText(result.run)} arrived">${body}</testcase>`;
  const expectations = [...(result.platform?.expected ?? []), ...(result.sampling?.expected ?? [])].map(
    renderExpected,
  );
  return renderSuite("chain-link verify", [whole, ...cases, ...expectations]);
}

function renderExpected({ expectation, outcome, found }: Expected): string {
  const tag = outcome === "not-met" ? "failure" : "error";
  const body = outcome === "met" ? "" : `<${tag} message="${escapeText(found)}"/>`;
  return `    <testcase classname="expect" name="${escapeText(expectation)}">${body}</testcase>`;
}

/**
 * Renders the result of `verify --propagation`: one case for each propagation form on each edge that was
 * called.
 */
export function renderPropagationJunit(result: PropagationResult): string {
  const cases = result.forms.flatMap(({ form, edges }) =>
    Object.entries(edges)
      .filter(([, { state }]) => state !== "unused")
      .map(([edge, { state, detail, traceId }]) => {
        const message = escapeText([state, detail, traceId].filter((it) => it !== null).join(", "));
        const tag = state === "unknown" ? "error" : "failure";
        const body = state === "kept" ? "" : `<${tag} message="${message}"/>`;
        return `    <testcase classname="propagation" name="${escapeText(`${form}: ${edge}`)}">${body}</testcase>`;
      }),
  );
  return renderSuite("chain-link verify --propagation", cases);
}

function renderSuite(name: string, cases: readonly string[]): string {
  const count = (tag: string) => cases.filter((it) => it.includes(`<${tag} `)).length;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    "<testsuites>",
    `  <testsuite name="${name}" tests="${cases.length}" failures="${count("failure")}" errors="${count("error")}">`,
    ...cases,
    "  </testsuite>",
    "</testsuites>\n",
  ].join("\n");
}

/**
 * Escapes text for XML and HTML content and attributes. Control characters are made visible because XML 1.0
 * cannot contain them; other invalid characters become U+FFFD: https://www.w3.org/TR/xml/#charsets
 */
export function escapeText(text: string): string {
  return visibleText(text)
    .replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
