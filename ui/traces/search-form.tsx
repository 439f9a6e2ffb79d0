import { useEffect, useState } from "preact/hooks";
import { address, linkTo, navigate } from "../shell/address.ts";
import { PeriodFields, periodOf, readPeriod } from "../shell/period.tsx";
import { readJson } from "../shell/request.ts";
import { shorten } from "../shell/short-name.ts";

/** The collector's default. */
const DEFAULT_LOOKBACK_MS = 24 * 60 * 60 * 1000;
export const DEFAULT_LIMIT = 50;

interface SearchFormProps {
  readonly services: readonly string[];
  /** Called also if the criteria are unchanged. */
  readonly onSearch: () => void;
}

/** A form for Zipkin's criteria, named as in Zipkin's API. They are kept in the address. */
export function SearchForm({ services, onSearch }: SearchFormProps) {
  const query = address.value;
  const service = query.get("serviceName") ?? "";
  const [names, remotes] = useNamesOf(service);
  const value = (name: string) => query.get(name) ?? "";
  const apply = (form: HTMLFormElement) => {
    onSearch();
    navigate(addressOf(form, service));
  };
  return (
    <search>
      <form
        class="search"
        aria-label="Search traces"
        key={query.toString()}
        onSubmit={(event) => {
          event.preventDefault();
          apply(event.currentTarget);
        }}
        onChange={(event) => {
          if (event.target instanceof HTMLSelectElement) apply(event.currentTarget);
        }}
      >
        <Choice title="Service" name="serviceName" value={service} all="All services" options={services} />
        <Choice title="Span" name="spanName" value={value("spanName")} all="All spans" options={names} />
        <Choice
          title="Calls"
          name="remoteServiceName"
          value={value("remoteServiceName")}
          all="Any service"
          options={remotes}
        />
        <label class="wide">
          Tags
          <input
            name="annotationQuery"
            defaultValue={value("annotationQuery")}
            placeholder="error and http.status_code=500"
            spellcheck={false}
            autocomplete="off"
          />
        </label>
        <DurationField title="Duration from" name="minDuration" hint="0 ms" micros={value("minDuration")} />
        <DurationField title="Duration to" name="maxDuration" hint="any" micros={value("maxDuration")} />
        <PeriodFields period={periodOf(query)} standard={DEFAULT_LOOKBACK_MS} />
        <LimitField limit={Number(value("limit")) || DEFAULT_LIMIT} />
        <button type="submit">Search</button>
      </form>
    </search>
  );
}

/**
 * The address of a search. If the service is no longer `service`, the span and the called service are
 * dropped.
 */
function addressOf(form: HTMLFormElement, service: string): string {
  const data = new FormData(form);
  const given = Object.fromEntries([...data].map(([name, text]) => [name, String(text).trim()]));
  const { minDuration = "", maxDuration = "", after: _after, before: _before, ...rest } = given;
  return linkTo({
    view: "traces",
    ...rest,
    spanName: given.serviceName === service ? given.spanName : "",
    remoteServiceName: given.serviceName === service ? given.remoteServiceName : "",
    minDuration: microsOf(minDuration),
    maxDuration: microsOf(maxDuration),
    lookback: undefined,
    ...readPeriod(data),
    limit: given.limit === String(DEFAULT_LIMIT) ? "" : given.limit,
    order: address.value.get("order"),
  });
}

interface DurationFieldProps {
  readonly title: string;
  readonly name: string;
  readonly hint: string;
  readonly micros: string;
}

function DurationField({ title, name, hint, micros }: DurationFieldProps) {
  return (
    <label>
      {title}
      <input name={name} defaultValue={shown(micros)} placeholder={hint} size={7} autocomplete="off" />
    </label>
  );
}

function LimitField({ limit: chosen }: { readonly limit: number }) {
  return (
    <label>
      At most
      <select name="limit">
        {[10, 20, 50, 100, 250, 1000].map((limit) => (
          <option key={limit} value={limit} selected={limit === chosen}>
            {limit}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Maximum length of an option, because a select is as wide as its longest option. */
const OPTION_CHARACTERS = 120;

interface ChoiceProps {
  readonly title: string;
  readonly name: string;
  readonly value: string;
  readonly all: string;
  readonly options: readonly string[];
}

function Choice({ title, name, value, all, options }: ChoiceProps) {
  const given = value === "" || options.includes(value) ? options : [value, ...options];
  return (
    <label>
      {title}
      <select name={name}>
        <option value="">{all}</option>
        {given.map((option) => (
          <option key={option} value={option} selected={option === value}>
            {shorten(option, OPTION_CHARACTERS)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The names of a service's spans and of the services it calls. */
function useNamesOf(service: string): readonly [readonly string[], readonly string[]] {
  const [names, setNames] = useState<readonly [readonly string[], readonly string[]]>([[], []]);
  useEffect(() => {
    const controller = new AbortController();
    setNames([[], []]);
    if (service === "") return;
    const query = new URLSearchParams({ serviceName: service });
    const read = (path: string) => readJson<string[]>(`${path}?${query}`, controller.signal);
    void Promise.all([read("api/v2/spans"), read("api/v2/remoteServices")]).then(([spans, remotes]) => {
      if (controller.signal.aborted) return;
      setNames([spans.kind === "ok" ? spans.value : [], remotes.kind === "ok" ? remotes.value : []]);
    });
    return () => controller.abort();
  }, [service]);
  return names;
}

/** Parses `1.5s`, `20 ms` or `300us` to microseconds; a bare number is in milliseconds. */
function microsOf(text: string): number | string {
  const [, number, unit = "ms"] = /^([\d.]+)\s*(us|µs|ms|s|m)?$/.exec(text.trim().toLowerCase()) ?? [];
  if (number === undefined) return "";
  const factor = { us: 1, µs: 1, ms: 1000, s: 1e6, m: 6e7 }[unit] ?? 1000;
  return Math.round(Number(number) * factor) || "";
}

function shown(micros: string): string {
  const value = Number(micros);
  if (!(value > 0)) return "";
  if (value % 1e6 === 0) return `${value / 1e6}s`;
  return value % 1000 === 0 ? `${value / 1000}ms` : `${value}us`;
}
