import { type Namer, shorten } from "./short-name.ts";

/** A shorter part of a name would tell the reader nothing. */
const MIN_CHARACTERS = 3;
/** Longest text that is measured. A line never shows more, and measuring time grows with the length. */
const MAX_CHARACTERS = 400;

/**
 * Returns the text if it is at most `px` wide. Otherwise it returns the beginning and the end without the
 * middle, or nothing if there is no room for {@link MIN_CHARACTERS}.
 */
export function fitText(text: string, px: number, font: string): string {
  if (widthLimit(text, sizeOf(font)) <= px) return text;
  if (text.length <= MAX_CHARACTERS && textWidth(text, font) <= px) return text;
  let [fits, tooMany] = [0, Math.min(text.length, MAX_CHARACTERS)];
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >>> 1;
    if (textWidth(shorten(text, middle), font) <= px) fits = middle;
    else tooMany = middle;
  }
  return fits < MIN_CHARACTERS ? "" : shorten(text, fits);
}

let context: CanvasRenderingContext2D | null = null;
/** The font that was set last. The context spells it differently, and setting it costs more than measuring. */
let contextFont = "";

/** The width in pixels, measured without a browser layout. */
export function textWidth(text: string, font: string): number {
  context ??= document.createElement("canvas").getContext("2d");
  if (context === null) return text.length * 8;
  if (contextFont !== font) {
    contextFont = font;
    context.font = font;
  }
  return context.measureText(text).width;
}

/**
 * An upper bound, in pixels, for the width of a text in the page's fonts. It uses the widest characters of
 * DejaVu Sans Bold and Verdana Bold, the widest fonts that systems use. Most names fit by this bound alone;
 * measuring them took a tenth of the time to open a trace. Infinity for text that is not ASCII.
 */
function widthLimit(text: string, fontPx: number): number {
  if (text.length > MAX_CHARACTERS) return Number.POSITIVE_INFINITY;
  let ems = 0;
  for (let index = 0; index < text.length; index++) {
    ems += CHARACTER_EMS[text.charCodeAt(index)] ?? Number.POSITIVE_INFINITY;
  }
  return ems * fontPx;
}

/** The widths by character code. */
const CHARACTER_EMS = Array.from({ length: 127 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (code < 32) return Number.POSITIVE_INFINITY;
  if (/[ijlft.,:;'!| ()[\]-]/.test(character)) return 0.56;
  if (/[a-ln-vxyz0-9_/]/.test(character)) return 0.73;
  return /[%@]/.test(character) ? 1.3 : /[mwMW]/.test(character) ? 1.14 : 0.9;
});

let family = "";

/** The page's font in the syntax of a canvas. */
export function fontOf(px: number, weight: 400 | 500 | 600 = 400): string {
  family ||= getComputedStyle(document.body).fontFamily;
  return `${weight} ${px}px ${family}`;
}

/** The size in pixels of a font from {@link fontOf}. */
function sizeOf(font: string): number {
  return Number.parseFloat(font.slice("400 ".length));
}

/** The parts of a service and a name that a line shows. */
interface ShownNames {
  readonly service: string;
  readonly name: string;
}

const [GAP_PX, MIN_NAME_PX, NARROW_PX] = [6, 30, 150];

/** Fits a service and a name side by side into `px`. If room is short, the service takes precedence. */
export function fitNames(service: string, name: string, px: number, namer: Namer, fontPx = 13): ShownNames {
  if (widthLimit(service, fontPx) + GAP_PX + widthLimit(name, fontPx) <= px) return { service, name };
  const [strong, plain] = [fontOf(fontPx, 500), fontOf(fontPx)];
  const nameWidth = name === "" ? 0 : textWidth(shorten(name, MAX_CHARACTERS), plain) + GAP_PX;
  let whole = service;
  if (textWidth(shorten(whole, MAX_CHARACTERS), strong) + nameWidth > px) whole = namer(service);
  const share = px < NARROW_PX ? px : Math.max(px * 0.55, px - nameWidth);
  const shown = fitText(whole, Math.min(px, share), strong);
  const left = px - textWidth(shown, strong) - GAP_PX;
  return { service: shown, name: left < MIN_NAME_PX && nameWidth > left ? "" : fitText(name, left, plain) };
}
