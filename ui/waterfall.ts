import type { Span } from "../src/trace/span.ts";
import { element } from "./dom.js";
import { formatDuration, hueOf } from "./format.js";
import { describeSpan } from "./span-details.js";
import type { SpanRow } from "./span-tree.js";

/** Microseconds; `start` is 0 when no span has a timestamp. */
export interface Extent {
  readonly start: number;
  readonly duration: number;
}

const TICKS = 4;

/** Indentation of one level, and of all levels together: a chain of 1,000 links has 2,000 levels. */
const INDENT_PX = 14;
const MAX_INDENT_PX = 168;

/** One row a span; a click on it opens its details below. */
export function drawWaterfall(rows: readonly SpanRow[], extent: Extent): HTMLElement {
  const deepest = rows.reduce((most, row) => Math.max(most, row.depth), 0);
  const indent = Math.min(INDENT_PX, MAX_INDENT_PX / Math.max(deepest, 1));
  return element(
    "div",
    "waterfall",
    drawAxis(extent.duration),
    element("ol", "", ...rows.map((row) => drawRow(row, extent, indent))),
  );
}

/** Whatever the value of the tag. */
export function hasError(span: Span): boolean {
  return span.tags !== undefined && Object.hasOwn(span.tags, "error");
}

export function spanExtent(spans: readonly Span[]): Extent {
  let start = 0;
  let end = 0;
  for (const { timestamp, duration } of spans) {
    if (timestamp === undefined) continue;
    if (start === 0 || timestamp < start) start = timestamp;
    end = Math.max(end, timestamp + (duration ?? 0));
  }
  return { start, duration: end - start };
}

function drawAxis(duration: number): HTMLElement {
  const ticks = Array.from({ length: TICKS + 1 }, (_, index) =>
    element(
      "span",
      { style: { left: `${(index / TICKS) * 100}%` } },
      index === 0 ? "0" : formatDuration((duration * index) / TICKS),
    ),
  );
  return element(
    "div",
    { class: "axis", attributes: { "aria-hidden": "true" } },
    element("span", "label", "Service and span"),
    element("span", "lane", ...ticks),
  );
}

function drawRow(row: SpanRow, extent: Extent, indent: number): HTMLElement {
  const { span, depth } = row;
  const serviceName = span.localEndpoint?.serviceName ?? "unknown service";
  const button = element(
    "button",
    {
      class: hasError(span) ? "row failed" : "row",
      attributes: { type: "button", "aria-expanded": "false" },
      style: { "--hue": String(hueOf(serviceName)), "--indent": `${(depth * indent).toFixed(1)}px` },
    },
    element(
      "span",
      { class: "label", title: `${serviceName} ${span.name ?? ""}` },
      element("b", "", serviceName),
      " ",
      element("span", "name", span.name ?? ""),
      hasError(span) ? element("span", "error-mark", "error") : "",
      row.isOrphan ? element("span", "orphan-mark", "parent missing") : "",
    ),
    drawLane(span, extent),
  );
  const item = element("li", "", button);
  button.addEventListener("click", () => toggleDetails(item, button, span, extent));
  return item;
}

function drawLane(span: Span, extent: Extent): HTMLElement {
  if (span.timestamp === undefined) {
    return element(
      "span",
      "lane",
      element("span", "time", span.duration ? formatDuration(span.duration) : "no time"),
    );
  }
  const duration = span.duration ?? 0;
  const left = percentage(span.timestamp - extent.start, extent);
  const width = percentage(duration, extent);
  return element(
    "span",
    "lane",
    element("span", {
      class: `bar ${span.kind?.toLowerCase() ?? "local"}`,
      style: { left: `${left}%`, width: `${width}%` },
    }),
    element(
      "span",
      { class: "time", style: { left: `${left + width}%` } },
      span.duration === undefined ? "not finished" : formatDuration(duration),
    ),
  );
}

function percentage(micros: number, extent: Extent): number {
  return extent.duration === 0 ? 0 : Math.round((micros / extent.duration) * 100_000) / 1000;
}

function toggleDetails(item: HTMLElement, button: HTMLElement, span: Span, extent: Extent): void {
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  if (isOpen) item.lastElementChild?.remove();
  else item.append(describeSpan(span, extent.start));
}
