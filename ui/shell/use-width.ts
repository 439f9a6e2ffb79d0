import type { RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";

/**
 * Width in pixels, without padding, of the first element in `box` that matches; 0 until it is known. It is
 * measured when the box is resized and when `key` changes.
 */
export function useWidth(box: RefObject<HTMLElement | null>, selector: string, key: unknown = null): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const measure = () => {
      const part = element.querySelector(selector);
      if (part === null) return;
      const { paddingLeft, paddingRight } = getComputedStyle(part);
      setWidth(part.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [key]);
  return width;
}
