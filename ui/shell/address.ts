import { signal } from "@preact/signals";
import { viewOf } from "../../src/contract/page-view.ts";

// The query of the address is the whole state of the page: `?trace=ID` is one trace, `?view=traces&…` a
// search.
// Links are plain links with relative addresses, so that tabs, bookmarks and the path prefix of a proxy work.

/** The current query of the address. */
export const address = signal(new URLSearchParams(location.search));

type Parameters = Readonly<Record<string, string | number | undefined | null>>;

/** The `href` of a link. Empty parameters are left out. */
export function linkTo(parameters: Parameters): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? "./" : `?${text}`;
}

/** The current address with some parameters changed; `undefined` removes one. */
export function linkHere(changes: Parameters): string {
  return linkTo({ ...Object.fromEntries(address.value), ...changes });
}

/** Changes the address without reloading the page. `replace` adds no entry to the history. */
export function navigate(href: string, how: "push" | "replace" = "push"): void {
  const url = new URL(href, location.href);
  if (how === "push") history.pushState(null, "", url);
  else history.replaceState(null, "", url);
  address.value = url.searchParams;
}

/** Handles plain clicks on links to the page itself and leaves all others to the browser. */
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
