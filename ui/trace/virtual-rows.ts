import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { reveal } from "./reveal.ts";

/** Height of every row of a trace, as in `page.css`. Because all are equal, which rows show is a division. */
export const ROW_PX = 26;
/**
 * Rows come and go this many at once, and as many are drawn beyond the edges. Each change paints anew the tiles on which rows
 * came or went, which costs more than the rows do: row by row, scrolling takes up to twice the script and layout.
 */
const CHUNK = 8;
const CHUNK_PX = CHUNK * ROW_PX;

interface VirtualRowsOptions {
  /** Number of the row that is scrolled to when it becomes another; -1: none. */
  readonly place?: number;
  /** Height of a head that stays above the rows. */
  readonly headPx?: number;
}

/** Which of `count` rows a scrolled box shows. */
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
  // No further than the last, where there are fewer rows than a moment ago: the box is then scrolled back.
  const from = Math.max(0, Math.min(count, (shown.chunk - 1) * CHUNK));
  const to = Math.min(count, (shown.chunk + chunks + 1) * CHUNK);
  useEffect(() => {
    if (box.current !== null && place >= 0)
      reveal(box.current, { top: place * ROW_PX, height: ROW_PX }, headPx);
  }, [place]);
  return { box, from, to, heightPx: count * ROW_PX };
}
