import { useEffect, useRef } from "preact/hooks";

type Keys = Readonly<Record<string, () => unknown>>;

/** Keys that work wherever the focus is, except while the reader types into a field. */
export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (document.querySelector("dialog[open]") !== null) return;
      if (isTyping(event.target) && event.key !== "Escape") return;
      const action = latest.current[event.key];
      if (action === undefined) return;
      if (isTyping(event.target)) {
        (event.target as HTMLElement).blur();
        return;
      }
      event.preventDefault();
      action();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, select, textarea");
}
