import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { reveal } from "./reveal.ts";

/**
 * Height of every row of a trace, as in the style sheets. All are equal, so a division finds the visible
 * rows.
 */
export const ROW_PX = 26;
/**
 * Rows are added and removed in chunks of this many, and one chunk is rendered beyond each edge. Each change
 * repaints the affected tiles, which costs more than the rows: with single rows, scrolling takes up to twice
 * the script and layout time.
 */
const CHUNK = 8;
const CHUNK_PX = CHUNK * ROW_PX;

interface VirtualRowsOptions {
  /** Position of the row to scroll to when it changes; -1 for none. */
  readonly place?: number;
  /** Height of a sticky head above the rows. */
  readonly headPx?: number;
}

/** Decides which of `count` rows a scrolling box renders. */
export function useVirtualRows(count: number, { place = -1, headPx = 0 }: VirtualRowsOptions = {}) {
  const box = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState({ chunk: 0, height: 800 });
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const measure = () => {
      const [top, height] = [element.scrollTop, element.clientHeight];
      const chunk = Math.floor(top / CHUNK_PX);
      setShown((old) => (old.chunk === chunk && old.height === height ? old : { chunk, height }));
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener("scroll", measure, { passive: true });
    measure();
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", measure);
    };
  }, []);
  const chunks = Math.ceil(shown.height / CHUNK_PX) + 1;
  // Clamped to `count`: there may be fewer rows than a moment ago, before the browser scrolls back.
  const from = Math.max(0, Math.min(count, (shown.chunk - 1) * CHUNK));
  const to = Math.min(count, (shown.chunk + chunks + 1) * CHUNK);
  useEffect(() => {
    if (box.current !== null && place >= 0)
      reveal(box.current, { top: place * ROW_PX, height: ROW_PX }, headPx);
  }, [place]);
  return { box, from, to, heightPx: count * ROW_PX };
}
