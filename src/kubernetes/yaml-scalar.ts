import { hasControls, visibleText } from "../lib/visible-text.ts";
import type { Plain } from "./object.ts";

/** Renders a value that fits on the line of its key: a scalar, an empty list or an empty mapping. */
export function renderScalar(value: Plain): string {
  if (typeof value === "string") return renderString(value);
  if (typeof value === "number") return renderNumber(value);
  if (value !== null && typeof value === "object") return Array.isArray(value) ? "[]" : "{}";
  return String(value ?? null);
}

/** Adds a dot to floats with an exponent, which YAML 1.1 otherwise reads as text. */
function renderNumber(value: number): string {
  if (Number.isNaN(value)) return ".nan";
  if (!Number.isFinite(value)) return value > 0 ? ".inf" : "-.inf";
  const text = String(value);
  return text.includes("e") && !text.includes(".") ? text.replace("e", ".0e") : text;
}

function renderString(text: string): string {
  if (isPlain(text)) return text;
  return needsEscapes(text) ? renderEscaped(text) : `'${text.replaceAll("'", "''")}'`;
}

/** Line ends, tabs and characters that YAML counts as not printable. They require double quotes. */
const NEEDS_ESCAPES = /[^ -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u;
const NEEDS_ESCAPES_BESIDES_JSON = /[\ufeff\ufffe\uffff]/g;

/** Characters that are written as escapes. */
function needsEscapes(text: string): boolean {
  return NEEDS_ESCAPES.test(text) || hasControls(text);
}

/** JSON escapes are valid in YAML. */
function renderEscaped(text: string): string {
  const json = JSON.stringify(text).replace(
    NEEDS_ESCAPES_BESIDES_JSON,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return visibleText(json);
}

/** The common case: words, paths, image names. A colon must be followed by a visible character. */
const SIMPLE = /^[A-Za-z/][-A-Za-z0-9_./]*(?::[-A-Za-z0-9_./]+)*$/;
/** Characters with a meaning at the start, inside or at the end of a plain scalar. */
const SPECIAL = /^[\s,[\]{}#&*!|>'"%@`?:]|^-(?:\s|$)|^(?:---|\.\.\.)|[:\s]$|:\s|\s#/;

/** Whether every YAML 1.1 and 1.2 parser reads the unquoted text as this string. */
function isPlain(text: string): boolean {
  if (SIMPLE.test(text)) return !WORD.test(text);
  return !SPECIAL.test(text) && !needsEscapes(text) && !WORD.test(text) && text !== "" && !isNumeric(text);
}

/** Words for null, true and false in YAML 1.1 (https://yaml.org/type/bool.html) and 1.2, and `=` and `<<` of 1.1. */
const WORD = /^(?:~|null|y|yes|n|no|true|false|on|off|=|<<)$/i;

/**
 * Whether a parser could read the text as a number or a date. YAML 1.1 (https://yaml.org/type/int.html, float.html,
 * timestamp.html) has bases 2, 8, 16 and 60; go-yaml removes every `_` first, and some parsers remove `,` too.
 */
function isNumeric(text: string): boolean {
  if (!/^[-+.\d]/.test(text)) return false;
  const bare = text.replace(/[_,]/g, "");
  return INTEGER.test(bare) || FLOAT.test(bare) || SEXAGESIMAL.test(bare) || DATE.test(text);
}

const INTEGER = /^[-+]?(?:0b[01]*|0o?[0-7]*|0x[\da-f]*|\d+)$/i;
const FLOAT = /^[-+]?(?:(?:\d+\.?\d*|\.\d*)(?:e[-+]?\d*)?|\.inf|\.nan)$/i;
const SEXAGESIMAL = /^[-+]?\d+(?::\d+)+(?:\.\d*)?$/;
const DATE = /^\d{4}-\d\d?-\d\d?(?:$|[Tt\s])/;
