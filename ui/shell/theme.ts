import { effect, signal } from "@preact/signals";

type Theme = "auto" | "light" | "dark";

const KEY = "chain-link-theme";

export const theme = signal<Theme>(readTheme());

/** Changes whenever colors change, because canvases must then be painted again. */
export const paintVersion = signal(0);

export function watchTheme(): void {
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
    paintVersion.value = paintVersion.peek() + 1;
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paintVersion.value++);
}

export function nextTheme(): void {
  theme.value = theme.value === "auto" ? "light" : theme.value === "light" ? "dark" : "auto";
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // Without storage the choice lasts until the page is closed.
  }
}

function readTheme(): Theme {
  try {
    const stored = localStorage.getItem(KEY);
    return stored === "light" || stored === "dark" ? stored : "auto";
  } catch {
    return "auto";
  }
}

/** Resolves a CSS color variable for a canvas. */
export function cssColor(name: string): string {
  // `light-dark()` is resolved only in a property of an element.
  probe ??= document.body.appendChild(Object.assign(document.createElement("i"), { hidden: true }));
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

let probe: HTMLElement | undefined;
