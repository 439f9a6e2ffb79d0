import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** Height of every row of a trace, as in `page.css`. Because all are equal, which rows show is a division. */
export const ROW_PX = 26;
/** Rows drawn beyond the edges, so that scrolling never shows a gap. */
const OVERSCAN = 12;

interface VirtualRowsOptions {
  /** Number of the row that is scrolled to when it becomes another; -1: none. */
  readonly place?: number;
  /** Height of a head that stays above the rows. */
  readonly headPx?: number;
}

/** Which of `count` rows a scrolled box shows. */
export function useVirtualRows(count: number, { place = -1, headPx = 0 }: VirtualRowsOptions = {}) {
  const box = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState({ top: 0, height: 800 });
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const measure = () => {
      const [top, height] = [element.scrollTop, element.clientHeight];
      // Drawn anew for each row that comes in, not for each pixel.
      setShown((old) =>
        Math.floor(old.top / ROW_PX) === Math.floor(top / ROW_PX) && old.height === height
          ? old
          : { top, height },
      );
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
  const from = Math.max(0, Math.floor(shown.top / ROW_PX) - OVERSCAN);
  const to = Math.min(count, Math.ceil((shown.top + shown.height) / ROW_PX) + OVERSCAN);
  // As little as shows the row.
  useEffect(() => {
    const element = box.current;
    if (element === null || place < 0) return;
    const top = place * ROW_PX;
    const heightPx = element.clientHeight - headPx;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + ROW_PX > element.scrollTop + heightPx) element.scrollTop = top + ROW_PX - heightPx;
  }, [place]);
  return { box, from, to, heightPx: count * ROW_PX };
}
