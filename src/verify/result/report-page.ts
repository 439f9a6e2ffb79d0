import { createHash } from "node:crypto";
import type { PropagationResult } from "../../contract/propagation-result.ts";
import type { VerifyResult } from "../../contract/verify-result.ts";
import { formatCount } from "../../lib/count.ts";
import { buildPageFromSources } from "../../lib/page-build.ts";
import { titleOf } from "../judge/result-head.ts";
import { escapeText } from "./junit.ts";

/**
 * Renders the result as one self-contained HTML page that makes no requests: the page's verify view, its
 * style, and the result as extractable JSON. Its content security policy allows exactly this script and this
 * style.
 */
export async function renderReportPage(result: VerifyResult | PropagationResult): Promise<string> {
  await buildPageFromSources();
  // Literal paths, so that the executable embeds the texts. The cast keeps `tsc` from looking for build
  // output.
  const [script, style] = await Promise.all([
    import("../../../ui/dist/report.js" as string, { with: { type: "text" } }),
    import("../../../ui/dist/report.css" as string, { with: { type: "text" } }),
  ]);
  const title = titleOf(result);
  const code = script.default.replaceAll("</script", "<\\/script");
  const policy = `default-src 'none'; script-src '${hashOf(code)}'; style-src '${hashOf(style.default)}'; base-uri 'none'`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${escapeText(title)} · chain-link verify</title>
<style>${style.default}</style>
<body>
<div id="page"><main><h1>${escapeText(title)}</h1><p>${describe(result)} The details need JavaScript; they are the JSON in this file, too.</p></main></div>
<script type="application/json" id="result">${JSON.stringify(result).replaceAll("<", "\\u003c")}</script>
<script>${code}</script>
</body>
</html>
`;
}

function describe(result: VerifyResult | PropagationResult): string {
  if (!("spans" in result)) return `Propagation: ${result.outcome}.`;
  const { missing, expected } = result.spans;
  const are = missing === 1 ? "is" : "are";
  return `${result.outcome}: ${missing} of ${formatCount(expected, "span")} ${are} missing, of ${formatCount(result.requests, "request")}.`;
}

/** https://www.w3.org/TR/CSP3/#grammardef-hash-source */
function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
