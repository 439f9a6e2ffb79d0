import { expect, test } from "bun:test";
import { escapeText, renderPropagationJunit } from "../../../src/verify/result/junit.ts";
import { renderReportPage } from "../../../src/verify/result/report-page.ts";

/** The names and messages of the test cases as an independent XML parser reads them. */
async function parse(xml: string): Promise<{ name: string; message: string }[]> {
  const script = `
import json, sys
from xml.etree import ElementTree
root = ElementTree.fromstring(sys.stdin.buffer.read())
print(json.dumps([{"name": it.get("name"), "message": it[0].get("message")} for it in root.iter("testcase")]))`;
  const child = Bun.spawn(["python3", "-c", script], {
    stdin: new TextEncoder().encode(xml),
    stderr: "inherit",
  });
  return JSON.parse(await child.stdout.text());
}

/** Every character of the basic plane, including surrogates, and some beyond it. */
const EVERYTHING = `${Array.from({ length: 0x1_0000 }, (_, code) => String.fromCharCode(code)).join("")}🦄\u{10ffff}`;

function resultOf(text: string) {
  return {
    outcome: "broken" as const,
    subject: text,
    url: "http://a",
    backend: "b",
    startedMs: 0,
    endedMs: 0,
    judgedMs: 0,
    requests: 1,
    edges: [text],
    forms: [{ form: "w3c", edges: { [text]: { state: "broken" as const, detail: text, traceId: null } } }],
  };
}

test.skipIf(Bun.which("python3") === null)(
  "a JUnit file is valid XML with any text, and keeps every character that XML allows",
  async () => {
    const [one] = await parse(
      renderPropagationJunit(resultOf("🦄 <é> & \"'\u001b[31m\u0000\u202e\ufffe \ud800")),
    );
    const shown = "🦄 <é> & \"'^[[31m^@\\u202e\ufffd \ufffd";
    expect(one).toEqual({ name: `w3c: ${shown}`, message: `broken, ${shown}` });
    expect(await parse(renderPropagationJunit(resultOf(EVERYTHING)))).toHaveLength(1);
  },
);

test("escaped text has only characters that XML 1.0 allows", () => {
  expect(escapeText(EVERYTHING)).toMatch(/^[\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u);
});

test("no text can close the script or title element of the report page", async () => {
  const text = "</script><script>alert(1)</script></title><!--<script>";
  const html = await renderReportPage(resultOf(text));
  expect(html.match(/<script/g)).toHaveLength(2);
  expect(html.match(/<\/title/g)).toHaveLength(1);
  const [, json = ""] = /id="result">(.*?)<\/script>/s.exec(html) ?? [];
  expect(JSON.parse(json)).toMatchObject({ subject: text });
});
