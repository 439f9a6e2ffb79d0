import { signal } from "@preact/signals";
import { viewOf } from "../../src/contract/page-view.ts";

// The address is the page's state, all of it in the query: `?trace=ID` is one trace, `?view=traces&…` a search.
// Links are plain links with relative addresses, so that tabs, bookmarks and a proxy's path prefix all work.

/** The query of the address, as it is now. */
export const address = signal(new URLSearchParams(location.search));

type Parameters = Readonly<Record<string, string | number | undefined | null>>;

/** A link's `href`. Parameters that are empty are left out. */
export function linkTo(parameters: Parameters): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? "./" : `?${text}`;
}

/** The present address with some parameters changed; `undefined` takes one out. */
export function linkHere(changes: Parameters): string {
  return linkTo({ ...Object.fromEntries(address.value), ...changes });
}

/** Goes there without loading the page anew. `replace` leaves no step in the history. */
export function navigate(href: string, how: "push" | "replace" = "push"): void {
  const url = new URL(href, location.href);
  if (how === "push") history.pushState(null, "", url);
  else history.replaceState(null, "", url);
  address.value = url.searchParams;
}

/** Follows plain clicks on links to the page itself; all others are the browser's. */
export function followLinks(): void {
  addEventListener("popstate", () => {
    address.value = new URLSearchParams(location.search);
  });
  document.addEventListener("click", (event) => {
    const isPlain =
      event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    const link = (event.target as Element).closest?.("a[href]");
    if (!isPlain || event.defaultPrevented || !(link instanceof HTMLAnchorElement)) return;
    const isOurs = link.origin === location.origin && link.pathname === location.pathname;
    if (!isOurs || link.hasAttribute("download") || link.target !== "") return;
    event.preventDefault();
    const isOtherView = viewOf(new URLSearchParams(link.search)) !== viewOf(address.value);
    navigate(link.href);
    if (isOtherView) scrollTo(0, 0);
  });
}
