import { describe, expect, test } from "bun:test";
import { load } from "js-yaml";
import { renderYaml } from "../../src/kubernetes/yaml.ts";
import { joinLines, visibleCell, visibleLine, visibleText } from "../../src/lib/visible-text.ts";

/** Every UTF-16 code unit except surrogates. */
const CHARACTERS = Array.from({ length: 0x1_0000 }, (_, code) => code)
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map((code) => String.fromCharCode(code));

describe("visible text", () => {
  test("spells out control characters as kubectl does", () => {
    expect(visibleText("a\u001b[31mb\rc\u0000\u0007")).toBe("a^[[31mb\\rc^@^G");
    expect(visibleText("\u007f\u009b31m\u202eabc\u2066\u2028")).toBe(
      "\\u007f\\u009b31m\\u202eabc\\u2066\\u2028",
    );
  });

  test("does not change tabs, line feeds and text of any language", () => {
    for (const text of ["", "grüße\t日本\n", "שלום", "👩‍👩‍👧 é", "^[", "\\u001b"])
      expect(visibleText(text)).toBe(text);
  });

  test("has no character of the Unicode classes Cc, Zl, Zp and Bidi_Control besides tab and line feed", () => {
    const all = visibleText(CHARACTERS.join(""));
    expect(all.replace(/[\t\n]/g, "")).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
  });

  test("does not change when made visible again", () => {
    const once = visibleText(CHARACTERS.join(""));
    expect(visibleText(once)).toBe(once);
  });

  test("keeps the meaning of JSON and YAML", () => {
    const value = { [CHARACTERS.join("")]: CHARACTERS };
    expect(JSON.parse(visibleText(JSON.stringify(value)))).toEqual(value);
    for (const character of CHARACTERS.filter((it) => visibleText(it) !== it)) {
      const yaml = renderYaml({ text: `a${character}b` });
      expect(visibleText(yaml)).toBe(yaml);
      expect(load(yaml)).toEqual({ text: `a${character}b` });
    }
  });

  test("of one line stays one line", () => {
    expect(visibleLine("a\tb\nINFO c")).toBe("a\tb\\nINFO c");
    expect(visibleCell("a\tb\nINFO c")).toBe("a\\tb\\nINFO c");
    expect(joinLines(["a\nb", "c"])).toBe("a\\nb\nc\n");
  });
});
