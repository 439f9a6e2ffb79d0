import { type Namer, shorten } from "./short-name.ts";

/** Fewer characters say nothing. */
const LEAST = 3;
/** More are never in sight on one line, and measuring takes as long as a text. */
const MOST = 400;

/** The text, or as much of its beginning and end as is `px` wide; empty where there is no room for {@link LEAST} characters. */
export function fitText(text: string, px: number, font: string): string {
  if (text.length <= MOST && textWidth(text, font) <= px) return text;
  let [fits, tooMany] = [0, Math.min(text.length, MOST)];
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >>> 1;
    if (textWidth(shorten(text, middle), font) <= px) fits = middle;
    else tooMany = middle;
  }
  return fits < LEAST ? "" : shorten(text, fits);
}

/** Pixels, without asking the browser for a layout. Kerning is left out, so that a text may turn out a little narrower. */
export function textWidth(text: string, font: string): number {
  if (!/^[ -~…]*$/.test(text)) return measure(text, font);
  const glyphs = glyphsOf(font);
  let width = 0;
  for (const character of text) {
    let glyph = glyphs.get(character);
    if (glyph === undefined) {
      glyph = measure(character, font);
      glyphs.set(character, glyph);
    }
    width += glyph;
  }
  return width;
}

/** A graph has a font for each step of its zoom. */
const MAX_FONTS = 30;

/**
 * Widths of printable ASCII by font: a view has thousands of names, and few characters. Measuring each name took a tenth of
 * the time that it takes to open a trace.
 */
const glyphWidths = new Map<string, Map<string, number>>();

function glyphsOf(font: string): Map<string, number> {
  let glyphs = glyphWidths.get(font);
  if (glyphs === undefined) {
    if (glyphWidths.size === MAX_FONTS) glyphWidths.clear();
    glyphs = new Map();
    glyphWidths.set(font, glyphs);
  }
  return glyphs;
}

let context: CanvasRenderingContext2D | null = null;

function measure(text: string, font: string): number {
  context ??= document.createElement("canvas").getContext("2d");
  if (context === null) return text.length * 8;
  if (context.font !== font) context.font = font;
  return context.measureText(text).width;
}

let family = "";

/** The page's font, as a canvas has it. */
export function fontOf(px: number, weight: 400 | 500 | 600 = 400): string {
  family ||= getComputedStyle(document.body).fontFamily;
  return `${weight} ${px}px ${family}`;
}

/** What a line shows of a service and a name. */
export interface ShownNames {
  readonly service: string;
  readonly name: string;
}

const [GAP_PX, LEAST_NAME_PX, NARROW_PX] = [6, 30, 150];

/** A service and a name beside each other in `px`: where there is little room, the service is worth more. */
export function fitNames(service: string, name: string, px: number, namer: Namer, fontPx = 13): ShownNames {
  const [strong, plain] = [fontOf(fontPx, 500), fontOf(fontPx)];
  const nameWidth = name === "" ? 0 : textWidth(shorten(name, MOST), plain) + GAP_PX;
  let whole = service;
  let width = textWidth(shorten(whole, MOST), strong);
  if (width + nameWidth > px) {
    whole = namer(service);
    width = textWidth(shorten(whole, MOST), strong);
  }
  const share = px < NARROW_PX ? px : Math.max(px * 0.55, px - nameWidth);
  const shown = fitText(whole, Math.min(px, share), strong);
  const left = px - textWidth(shown, strong) - GAP_PX;
  return { service: shown, name: left < LEAST_NAME_PX && nameWidth > left ? "" : fitText(name, left, plain) };
}
