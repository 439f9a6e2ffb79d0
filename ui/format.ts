const UNITS: readonly [name: string, micros: number][] = [
  ["s", 1_000_000],
  ["ms", 1000],
  ["µs", 1],
];

/** Three significant digits: `1.23 ms`. */
export function formatDuration(micros: number): string {
  if (micros >= 120_000_000) return `${(micros / 60_000_000).toFixed(1)} min`;
  const [name, size] = UNITS.find(([, unit]) => micros >= unit) ?? ["µs", 1];
  const value = micros / size;
  const digits = name === "µs" || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${name}`;
}

/** The time of day, with the date when that is not today. */
export function formatTime(micros: number): string {
  const date = new Date(micros / 1000);
  const time = `${date.toTimeString().slice(0, 8)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  return date.toDateString() === new Date().toDateString() ? time : `${formatDay(date)} ${time}`;
}

/** `12 spans`, `1 span`. */
export function formatCount(count: number, noun: string): string {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** A hue in degrees that stays the same for a name; names that differ little get hues far apart. */
export function hueOf(name: string): number {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return Math.round((hash * 137.508) % 360);
}

function formatDay(date: Date): string {
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  return day.map((part) => String(part).padStart(2, "0")).join("-");
}
