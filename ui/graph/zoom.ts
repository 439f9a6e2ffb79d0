import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Layout, Point } from "./picture.ts";

interface Transform {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

const MARGIN_PX = 28;
/** Room for the zoom buttons. */
const RIGHT_MARGIN_PX = 52;
const [MIN_SCALE, MAX_SCALE] = [0.02, 2];
const PAN_PX = 80;

/** The directions of the arrow keys. */
export const ARROWS: Readonly<Record<string, { readonly dx: number; readonly dy: number }>> = {
  ArrowLeft: { dx: -1, dy: 0 },
  ArrowRight: { dx: 1, dy: 0 },
  ArrowUp: { dx: 0, dy: -1 },
  ArrowDown: { dx: 0, dy: 1 },
};

/** Pans and zooms a drawing by wheel, drag and key. At first the whole drawing is in sight. */
export function useZoom(box: RefObject<HTMLDivElement | null>, layout: Layout) {
  const [transform, setTransform] = useState<Transform>({ x: 0, y: 0, scale: 1 });
  const isMoved = useRef(false);

  const fit = () => {
    if (box.current === null) return;
    isMoved.current = false;
    setTransform(wholeOf(layout, box.current));
  };
  const zoomAt = (factor: number, at: Point) => {
    isMoved.current = true;
    setTransform(({ x, y, scale }) => {
      const next = Math.max(MIN_SCALE, Math.min(MAX_SCALE, scale * factor));
      return { scale: next, x: at.x - ((at.x - x) * next) / scale, y: at.y - ((at.y - y) * next) / scale };
    });
  };
  const middle = (): Point => ({
    x: (box.current?.clientWidth ?? 0) / 2,
    y: (box.current?.clientHeight ?? 0) / 2,
  });
  const panBy = (key: string) => {
    isMoved.current = true;
    const { dx, dy } = ARROWS[key] ?? { dx: 0, dy: 0 };
    setTransform((old) => ({ ...old, x: old.x - dx * PAN_PX, y: old.y - dy * PAN_PX }));
  };
  /** Brings a point into sight unless it is there already. */
  const center = (point: Point) => {
    const element = box.current;
    if (element === null) return;
    setTransform((old) => broughtIntoSight(old, point, element));
  };

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    fit();
    const observer = new ResizeObserver(() => {
      if (!isMoved.current) fit();
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [layout]);

  useWheelAndDrag(box, {
    zoomAt,
    moveBy: (dx, dy) => {
      isMoved.current = true;
      setTransform((old) => ({ ...old, x: old.x + dx, y: old.y + dy }));
    },
  });

  return { transform, fit, zoomBy: (factor: number) => zoomAt(factor, middle()), panBy, center };
}

/** Fits the whole layout into the box. */
function wholeOf(layout: Layout, box: HTMLElement): Transform {
  const width = box.clientWidth - MARGIN_PX - RIGHT_MARGIN_PX;
  const height = box.clientHeight - 2 * MARGIN_PX;
  const scale = Math.max(MIN_SCALE, Math.min(1, width / layout.width, height / layout.height));
  return {
    scale,
    x: MARGIN_PX + (width - layout.width * scale) / 2,
    y: MARGIN_PX + (height - layout.height * scale) / 2,
  };
}

/** Centers a point unless it is well in sight already. */
function broughtIntoSight(old: Transform, point: Point, box: HTMLElement): Transform {
  const [x, y] = [old.x + point.x * old.scale, old.y + point.y * old.scale];
  const isInSight = x > 90 && y > 40 && x < box.clientWidth - 90 && y < box.clientHeight - 40;
  if (isInSight && old.scale > 0.4) return old;
  const scale = Math.max(old.scale, 0.7);
  return {
    scale,
    x: box.clientWidth / 2 - point.x * scale,
    y: box.clientHeight / 2 - point.y * scale,
  };
}

interface Gestures {
  readonly zoomAt: (factor: number, at: Point) => void;
  readonly moveBy: (dx: number, dy: number) => void;
}

/** The listeners are added once; both gestures only use state setters and refs, which never change. */
function useWheelAndDrag(box: RefObject<HTMLDivElement | null>, { zoomAt, moveBy }: Gestures): void {
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const { left, top } = element.getBoundingClientRect();
      zoomAt(Math.exp(-event.deltaY * 0.0015), { x: event.clientX - left, y: event.clientY - top });
    };
    const onDown = (event: PointerEvent) => followDrag(event, moveBy);
    element.addEventListener("wheel", onWheel, { passive: false });
    element.addEventListener("pointerdown", onDown);
    return () => {
      element.removeEventListener("wheel", onWheel);
      element.removeEventListener("pointerdown", onDown);
    };
  }, []);
}

/** Reports each movement of a drag until the button is released. A drag that begins on a button is a click. */
function followDrag(event: PointerEvent, moveBy: Gestures["moveBy"]): void {
  if (event.button !== 0 || (event.target as Element).closest("button") !== null) return;
  let [x, y] = [event.clientX, event.clientY];
  const onMove = (moved: PointerEvent) => {
    const [dx, dy] = [moved.clientX - x, moved.clientY - y];
    [x, y] = [moved.clientX, moved.clientY];
    moveBy(dx, dy);
  };
  const onUp = () => {
    removeEventListener("pointermove", onMove);
    removeEventListener("pointerup", onUp);
  };
  addEventListener("pointermove", onMove);
  addEventListener("pointerup", onUp);
}
