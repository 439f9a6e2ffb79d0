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

/** A period as in Zipkin's API: `lookback` milliseconds that end at `endTs`, or now. */
export interface Period {
  readonly lookback: number;
  readonly endTs: number | undefined;
}

/** The period in an address; `undefined` if it has none. */
export function periodOf(query: URLSearchParams): Period | undefined {
  const lookback = Number(query.get("lookback"));
  if (!(lookback > 0)) return undefined;
  return { lookback, endTs: Number(query.get("endTs")) || undefined };
}

/** The period chosen in {@link PeriodFields}; `undefined` for the default. */
export function readPeriod(form: FormData): Period | undefined {
  const chosen = String(form.get("lookback"));
  if (chosen !== BETWEEN) return chosen === "" ? undefined : { lookback: Number(chosen), endTs: undefined };
  const times = [form.get("after"), form.get("before")].map((text) => Date.parse(String(text)));
  if (times.some(Number.isNaN)) return undefined;
  // The order of the two times does not matter: the period lies between them.
  return { lookback: Math.max(1, Math.max(...times) - Math.min(...times)), endTs: Math.max(...times) };
}

interface PeriodFieldsProps {
  readonly period: Period | undefined;
  /** The default choice: a number of milliseconds from the list, or another word. */
  readonly standard: number | string;
  /** Text of the button that applies two times, if the form has no button. */
  readonly submit?: string;
}

/** Form fields for a period that ends now, or for one between any two times. {@link readPeriod} reads them. */
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
            // The two times are still missing.
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

/** `2026-11-28T14:05:10` in the browser's time zone, as these fields expect it. */
function localText(ms: number): string {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * MINUTE_MS);
  return local.toISOString().replace(/(\.000)?Z$/, "");
}
