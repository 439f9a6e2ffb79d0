import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icon.tsx";

const KEYS: readonly (readonly [title: string, keys: readonly (readonly [key: string, does: string])[]])[] = [
  [
    "Everywhere",
    [
      ["g", "graph"],
      ["s", "search traces"],
      ["v", "verify: whether every span arrived"],
      ["l", "load and faults"],
      ["/", "find"],
      ["d", "light, dark or system theme"],
      ["?", "this list"],
      ["Esc", "close, or go back one step"],
    ],
  ],
  [
    "Graph",
    [
      ["arrows", "move between links"],
      ["Enter", "details of the link"],
      ["+ − 0", "zoom in, zoom out, show all"],
    ],
  ],
  [
    "Traces",
    [
      ["j k", "next, previous trace"],
      ["Enter", "open it"],
      ["Space", "pause and resume"],
    ],
  ],
  [
    "Trace",
    [
      ["↑ ↓", "previous, next span"],
      ["← →", "collapse, expand"],
      ["w t f", "waterfall, table, flame"],
      ["p", "next span on the critical path"],
      ["e", "next error"],
      ["r", "show from the selected span"],
      ["c", "collapse or expand all"],
    ],
  ],
];

export function Help({ isOpen, onClose }: { readonly isOpen: boolean; readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (isOpen && dialog.current?.open === false) dialog.current.showModal();
    if (!isOpen && dialog.current?.open) dialog.current.close();
  }, [isOpen]);
  return (
    <dialog ref={dialog} class="help" aria-label="Keys" onClose={onClose}>
      <header>
        <h2>Keys</h2>
        <button type="button" class="quiet" onClick={onClose} aria-label="Close">
          <Icon name="close" />
        </button>
      </header>
      <div class="help-columns">
        {KEYS.map(([title, keys]) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {keys.map(([key, does]) => (
                <div key={key}>
                  <dt>
                    <kbd>{key}</kbd>
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </dialog>
  );
}
