import { useState } from "preact/hooks";
import { serverNowMs } from "./clock.ts";

const MINUTE_MS = 60_000;
const LOOKBACKS: readonly (readonly [ms: number, title: string])[] = [
  [MINUTE_MS, "Last minute"],
  [5 * MINUTE_MS, "Last 5 minutes"],
  [15 * MINUTE_MS, "Last 15 minutes"],
  [60 * MINUTE_MS, "Last hour"],
  [6 * 60 * MINUTE_MS, "Last 6 hours"],
  [24 * 60 * MINUTE_MS, "Last day"],
  [7 * 24 * 60 * MINUTE_MS, "Last week"],
];
const BETWEEN = "between";

/** A part of time as Zipkin's API has it: so many milliseconds that end at one, or now. */
export interface Period {
  readonly lookback: number;
  readonly endTs: number | undefined;
}

/** What an address says; `undefined` when it says nothing. */
export function periodOf(query: URLSearchParams): Period | undefined {
  const lookback = Number(query.get("lookback"));
  if (!(lookback > 0)) return undefined;
  return { lookback, endTs: Number(query.get("endTs")) || undefined };
}

/** What was chosen in {@link PeriodFields}; `undefined` for what is there when nothing is chosen. */
export function readPeriod(form: FormData): Period | undefined {
  const chosen = String(form.get("lookback"));
  if (chosen !== BETWEEN) return chosen === "" ? undefined : { lookback: Number(chosen), endTs: undefined };
  const times = [form.get("after"), form.get("before")].map((text) => Date.parse(String(text)));
  if (times.some(Number.isNaN)) return undefined;
  // Whoever mixes them up means the time between them all the same.
  return { lookback: Math.max(1, Math.max(...times) - Math.min(...times)), endTs: Math.max(...times) };
}

interface PeriodFieldsProps {
  readonly period: Period | undefined;
  /** What is shown when nothing is chosen: one of the spans of time, or another word. */
  readonly standard: number | string;
  /** What the button that applies two times says, where the form has none. */
  readonly submit?: string;
}

/** Some times until now, or any two times: fields of a form whose changes {@link readPeriod} reads. */
export function PeriodFields({ period, standard, submit }: PeriodFieldsProps) {
  const isListed = period?.endTs === undefined && LOOKBACKS.some(([ms]) => ms === period?.lookback);
  const [isBetween, setBetween] = useState(period !== undefined && !isListed);
  const end = period?.endTs ?? Math.ceil(serverNowMs() / 1000) * 1000;
  const start = end - (period?.lookback ?? 60 * MINUTE_MS);
  const now = period?.lookback ?? standard;
  return (
    <>
      <label>
        When
        <select
          name="lookback"
          onChange={(event) => {
            setBetween(event.currentTarget.value === BETWEEN);
            // The times have to be given first.
            if (event.currentTarget.value === BETWEEN) event.stopPropagation();
          }}
        >
          {typeof standard === "string" && (
            <option value="" selected={period === undefined}>
              {standard}
            </option>
          )}
          {LOOKBACKS.map(([ms, title]) => (
            <option key={ms} value={ms === standard ? "" : ms} selected={!isBetween && ms === now}>
              {title}
            </option>
          ))}
          <option value={BETWEEN} selected={isBetween}>
            Between …
          </option>
        </select>
      </label>
      {isBetween && (
        <>
          <TimeField title="After" name="after" ms={start} />
          <TimeField title="Before" name="before" ms={end} />
          {submit !== undefined && <button type="submit">{submit}</button>}
        </>
      )}
    </>
  );
}

function TimeField({
  title,
  name,
  ms,
}: {
  readonly title: string;
  readonly name: string;
  readonly ms: number;
}) {
  return (
    <label class="time-field">
      {title}
      <input type="datetime-local" name={name} step="any" required defaultValue={localText(ms)} />
    </label>
  );
}

/** `2026-11-28T14:05:10`, in the time zone of the browser, as such fields have it. */
function localText(ms: number): string {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * MINUTE_MS);
  return local.toISOString().replace(/(\.000)?Z$/, "");
}
