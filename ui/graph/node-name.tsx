import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { CutText } from "../shell/cut-text.tsx";
import { fitText, fontOf } from "../shell/fit-text.ts";
import type { Namer } from "../shell/short-name.ts";
import { NODE_HEIGHT, NODE_WIDTH } from "./picture.ts";

/** Below this scale nodes show a small name and no numbers. */
export const FAR_SCALE = 0.42;
/** Below this scale names are larger, and nothing else is shown. */
export const MID_SCALE = 0.7;
/** Below this scale there is no room for names either. */
const BLIND_SCALE = 0.26;
/** Size of names on the screen below {@link FAR_SCALE}. */
const FAR_FONT_PX = 10;
/** Size of names below {@link MID_SCALE}, as in `graph.css`. */
const MID_FONT_PX = 20;
const [PADDING_PX, FAR_PADDING_PX, BORDER_PX] = [24, 16, 2];

/** How names are written in a drawing. */
interface NameStyle {
  readonly namer: Namer;
  /** In pixels of the drawing, before it is scaled. */
  readonly fontPx: number;
  /** Number of lines that a name may take. */
  readonly lines: number;
  readonly widthPx: number;
}

export function nameStyleOf(scale: number, namer: Namer): NameStyle {
  const widthPx = NODE_WIDTH - PADDING_PX - BORDER_PX;
  if (scale >= MID_SCALE) return { namer, fontPx: 13, lines: 1, widthPx };
  if (scale >= FAR_SCALE) return { namer, fontPx: MID_FONT_PX, lines: 2, widthPx };
  const fontPx = FAR_FONT_PX / scale;
  const lines = scale < BLIND_SCALE ? 0 : Math.max(1, Math.floor(NODE_HEIGHT / (fontPx * 1.2)));
  return { namer, fontPx, lines, widthPx: NODE_WIDTH - FAR_PADDING_PX - BORDER_PX };
}

export const NameStyleContext = createContext<NameStyle>({
  namer: (name) => name,
  fontPx: 13,
  lines: 1,
  widthPx: 0,
});

interface NodeNameProps {
  readonly name: string;
  /** How many services the node stands for. */
  readonly members?: number;
  /** A fault is set on the link. */
  readonly hasFault?: boolean;
}

/** The name of a node, shortened to the room there is. */
export function NodeName({ name, members = 1, hasFault = false }: NodeNameProps) {
  const { namer, fontPx, lines, widthPx } = useContext(NameStyleContext);
  const font = fontOf(fontPx, 600);
  const marks = (members > 1 ? 18 + 7 * String(members).length : 0) + (hasFault ? 34 : 0);
  // At a line break, part of the line stays empty.
  const px = lines > 1 ? (widthPx - 1.2 * fontPx) * lines - marks : widthPx - marks;
  const whole = fitText(name, px, font);
  return (
    <span class="node-name">
      {members > 1 && <span class="badge">{members}</span>}
      <CutText text={name} shown={whole === name ? name : fitText(namer(name), px, font)} />
      {hasFault && (
        <span class="fault-mark" title="A fault is set">
          fault
        </span>
      )}
    </span>
  );
}
