import type { StoreCounts } from "../src/collector/store.ts";
import type { TraceSummary } from "../src/collector/trace-summary.ts";
import { element, notice } from "./dom.js";
import { formatCount, formatDuration, formatTime, hueOf } from "./format.js";

/** The answer of `/page/traces`. */
interface Listing {
  readonly traces: readonly TraceSummary[];
  readonly services: readonly string[];
  readonly counts: StoreCounts;
}

const REFRESH_MS = 2000;
const PAGE_SIZE = 25;

/** The newest traces, read again every two seconds until paused. `?service=` filters, `?limit=` shows more. */
export function showTraceList(main: HTMLElement, parameters: URLSearchParams): void {
  const service = parameters.get("service") ?? "";
  const limit = Math.max(Number.parseInt(parameters.get("limit") ?? "", 10) || PAGE_SIZE, 1);
  const filter = element("select", { attributes: { "aria-label": "Service" } });
  const pause = element("button", { attributes: { type: "button" } }, "Pause");
  const status = element("p", { class: "status", attributes: { role: "status" } });
  const list = element("div", "traces");
  main.replaceChildren(
    element(
      "div",
      "toolbar",
      element("h1", "", "Recent traces"),
      filter,
      element("span", "gap"),
      status,
      pause,
    ),
    list,
  );
  showServices(filter, [], service);
  filter.addEventListener("change", () => location.assign(listAddress(filter.value, PAGE_SIZE)));

  let isPaused = false;
  let shown = "";
  const refresh = async () => {
    const outcome = await fetchListing(service, limit);
    main.removeAttribute("aria-busy");
    list.classList.toggle("stale", "problem" in outcome);
    if ("problem" in outcome) {
      status.textContent = outcome.problem;
      if (shown === "") list.replaceChildren(notice("No answer from the collector", outcome.problem));
      return;
    }
    status.textContent = describeCounts(outcome.listing.counts);
    // Left alone while nothing changed, and while a row is being clicked: a click on a row that is replaced is lost.
    if (outcome.text === shown || list.matches(":active")) return;
    shown = outcome.text;
    showServices(filter, outcome.listing.services, service);
    showTraces(list, outcome.listing, service, limit);
  };
  const loop = async () => {
    if (!isPaused && !document.hidden) await refresh();
    setTimeout(loop, REFRESH_MS);
  };
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Resume" : "Pause";
    if (!isPaused) void refresh();
  });
  void loop();
}

type Outcome = { readonly listing: Listing; readonly text: string } | { readonly problem: string };

async function fetchListing(service: string, limit: number): Promise<Outcome> {
  const query = new URLSearchParams({ serviceName: service, limit: String(limit) });
  try {
    const response = await fetch(`/page/traces?${query}`);
    const text = await response.text();
    return response.ok ? { listing: JSON.parse(text), text } : { problem: text };
  } catch {
    return { problem: "Is chain-link still running? Trying again every 2 seconds." };
  }
}

function showServices(filter: HTMLSelectElement, services: readonly string[], selected: string): void {
  const names = selected === "" || services.includes(selected) ? services : [selected, ...services];
  if (document.activeElement === filter && filter.options.length > 1) return;
  const options = names.map((name) => element("option", { attributes: { value: name } }, name));
  filter.replaceChildren(element("option", { attributes: { value: "" } }, "All services"), ...options);
  filter.value = selected;
}

function showTraces(list: HTMLElement, { traces, counts }: Listing, service: string, limit: number): void {
  if (traces.length === 0) {
    list.replaceChildren(service === "" ? emptyNotice() : filteredNotice(service));
    return;
  }
  const focused = document.activeElement?.getAttribute("href");
  const longest = Math.max(...traces.map((trace) => trace.duration), 1);
  const rows = traces.map((trace) => element("li", "", traceLink(trace, longest)));
  list.replaceChildren(listHeader(), element("ol", "", ...rows));
  if (traces.length === limit && counts.traces > limit) {
    list.append(
      element("a", { class: "more", attributes: { href: listAddress(service, limit * 4) } }, "Show more"),
    );
  }
  if (focused) list.querySelector<HTMLElement>(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

function listHeader(): HTMLElement {
  const titles = ["Started", "Request", "Duration", "Spans", "Services"];
  return element(
    "div",
    { class: "trace head", attributes: { "aria-hidden": "true" } },
    ...titles.map((title) => element("span", title.toLowerCase(), title)),
  );
}

function traceLink(trace: TraceSummary, longest: number): HTMLElement {
  const serviceName = trace.serviceName ?? "unknown service";
  return element(
    "a",
    {
      class: trace.errorCount > 0 ? "trace failed" : "trace",
      attributes: { href: `/?trace=${trace.traceId}` },
      style: { "--hue": String(hueOf(serviceName)), "--share": `${(trace.duration / longest) * 100}%` },
    },
    element("time", "started", formatTime(trace.timestamp)),
    element(
      "span",
      "request",
      element("b", "", serviceName),
      " ",
      element("span", "name", trace.spanName ?? ""),
      trace.errorCount > 0 ? element("span", "error-mark", formatCount(trace.errorCount, "error")) : "",
    ),
    element(
      "span",
      "duration",
      element("span", "meter"),
      element("span", "", formatDuration(trace.duration)),
    ),
    count("spans", trace.spanCount, "span"),
    count("services", trace.serviceCount, "service"),
  );
}

/** The noun shows where the column has no head: on narrow screens and to screen readers. */
function count(className: string, value: number, noun: string): HTMLElement {
  const [number = "", word = ""] = formatCount(value, noun).split(" ");
  return element("span", className, number, element("span", "noun", ` ${word}`));
}

function emptyNotice(): HTMLElement {
  return notice(
    "No traces yet",
    element(
      "p",
      "",
      "Send a request through the chain, and its trace appears here. Any Zipkin client can report to",
    ),
    element("pre", "", `POST ${location.origin}/api/v2/spans`),
    element("p", "", "Traces that started more than 24 hours ago are not listed."),
  );
}

function filteredNotice(service: string): HTMLElement {
  return notice(
    `No traces of ${service}`,
    element("p", "", "None that started in the last 24 hours has a span of this service."),
    element("p", "", element("a", { attributes: { href: "/" } }, "Show all services")),
  );
}

function describeCounts({ traces, spans, evictedSpans, refusedSpans }: StoreCounts): string {
  const lost = evictedSpans + refusedSpans;
  const kept = `${formatCount(spans, "span")} in ${formatCount(traces, "trace")}`;
  return lost === 0 ? kept : `${kept}, ${formatCount(lost, "span")} evicted`;
}

function listAddress(service: string, limit: number): string {
  const query = new URLSearchParams();
  if (service !== "") query.set("service", service);
  if (limit !== PAGE_SIZE) query.set("limit", String(limit));
  return query.size > 0 ? `/?${query}` : "/";
}
