import type { Span } from "../src/trace/span.ts";
import { element, notice } from "./dom.js";
import { formatCount, formatDuration, formatTime } from "./format.js";
import { arrangeSpans } from "./span-tree.js";
import { drawWaterfall, hasError, spanExtent } from "./waterfall.js";

/** One trace: its facts and its waterfall. */
export async function showTrace(main: HTMLElement, traceId: string): Promise<void> {
  const outcome = await fetchTrace(traceId);
  main.removeAttribute("aria-busy");
  const back = element("a", { class: "back", attributes: { href: "/" } }, "← Recent traces");
  if ("problem" in outcome) {
    const again = element("button", { attributes: { type: "button" } }, "Try again");
    again.addEventListener("click", () => location.reload());
    main.replaceChildren(
      back,
      notice("This trace cannot be shown", element("p", "", outcome.problem), again),
    );
    return;
  }
  main.replaceChildren(back, ...describeTrace(outcome.spans));
}

async function fetchTrace(
  traceId: string,
): Promise<{ readonly spans: Span[] } | { readonly problem: string }> {
  try {
    const response = await fetch(`/api/v2/trace/${encodeURIComponent(traceId)}`);
    if (response.ok) return { spans: await response.json() };
    const reason = await response.text();
    if (response.status !== 404) return { problem: reason };
    return {
      problem: `${reason}. It may still be on its way, or it was evicted to make room for newer ones.`,
    };
  } catch {
    return { problem: "The collector does not answer. Is chain-link still running?" };
  }
}

function describeTrace(spans: readonly Span[]): HTMLElement[] {
  const rows = arrangeSpans(spans);
  const extent = spanExtent(spans);
  const root = rows[0]?.span;
  const rootService = root?.localEndpoint?.serviceName ?? "unknown service";
  document.title = `${rootService} ${root?.name ?? ""} · chain-link`;
  const traceId = root?.traceId ?? "";
  const services = new Set(spans.map((span) => span.localEndpoint?.serviceName).filter(Boolean));
  const errors = spans.filter(hasError).length;
  const orphans = rows.filter((row) => row.isOrphan).length;
  return [
    element("h1", "trace-title", rootService, " ", element("span", "name", root?.name ?? "")),
    element(
      "ul",
      "facts",
      fact(extent.start === 0 ? "no timestamps" : formatTime(extent.start)),
      fact(formatDuration(extent.duration)),
      fact(formatCount(spans.length, "span")),
      fact(formatCount(services.size, "service")),
      fact(formatCount(errors, "error"), errors > 0 ? "bad" : ""),
      ...(orphans > 0 ? [fact(`${formatCount(orphans, "span")} without the parent they name`, "bad")] : []),
      element(
        "li",
        "id",
        element("code", "", traceId),
        " ",
        element("a", { attributes: { href: `/api/v2/trace/${traceId}` } }, "JSON"),
      ),
    ),
    drawWaterfall(rows, extent),
  ];
}

function fact(text: string, className = ""): HTMLElement {
  return element("li", className, text);
}
