export { formatGroupedCount as formatCount } from "../src/lib/count.ts";
export { formatRounded as formatDuration } from "../src/lib/duration.ts";
export { formatShare } from "../src/lib/share.ts";

/** The time of day, with the date unless it is today. */
export function formatTime(micros: number): string {
  const date = new Date(micros / 1000);
  const time = `${formatClock(date.getTime())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  return date.toDateString() === new Date().toDateString() ? time : `${formatDay(date)} ${time}`;
}

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** A short form for narrow places: `950`, `12.3k`, `4M`. */
export function formatCompact(count: number): string {
  return COMPACT.format(count).replace("K", "k");
}

/** Requests per second: `0.4/s`, `12/s`, `1.2k/s`. */
export function formatRate(perSecond: number): string {
  if (perSecond >= 1000) return `${(perSecond / 1000).toFixed(perSecond >= 10_000 ? 0 : 1)}k/s`;
  return `${perSecond >= 10 || Number.isInteger(perSecond) ? Math.round(perSecond) : perSecond.toFixed(1)}/s`;
}

/** `07:53:10`. */
export function formatClock(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 8);
}

/** `2026-11-28 07:53:10 GMT+1`, in the reader's time zone. */
export function formatMoment(ms: number): string {
  const date = new Date(ms);
  const zone = ZONE.formatToParts(date).find(({ type }) => type === "timeZoneName")?.value ?? "";
  return `${formatDay(date)} ${formatClock(ms)} ${zone}`;
}

const ZONE = new Intl.DateTimeFormat("en", { timeZoneName: "short" });

/** `2026-11-28`. */
export function formatDay(date: Date): string {
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  return day.map((part) => String(part).padStart(2, "0")).join("-");
}
