import { ZIPKIN_URL } from "../../lib/default-address.ts";
import { parseDuration } from "../../lib/duration.ts";
import { type Endpoint, hideSecrets, parseEndpoint } from "../../lib/endpoint.ts";
import { formatPercentage, parsePercentage } from "../../lib/percentage.ts";

/** A rejected value; `expected` describes valid ones. */
export class Unfit {
  constructor(readonly expected: string) {}
}

/** One flag: everything that parsing, help, completion and documentation need. */
export interface Flag<T> {
  readonly summary: string;
  /** One letter, without the dash. */
  readonly short?: string;
  /** Old name, accepted for one release and hidden from help. Its variable is read, too. */
  readonly formerName?: string;
  /** The value's name in help; absent for a switch. */
  readonly placeholder?: string;
  /** Default value. */
  readonly fallback: T;
  /** The default as help shows it, if it differs from the value. */
  readonly fallbackText?: string;
  /**
   * Environment variables; the first one set wins. Empty when `link` or `collector`, which run in pods, have a flag of this
   * name in another form: the variable belongs to that flag. @default `CHAIN_LINK_<NAME>`
   */
  readonly env?: readonly string[];
  /** Parsers for OpenTelemetry variables whose format differs from the flag's. */
  readonly platforms?: Readonly<Record<string, (text: string) => PlatformReading<T>>>;
  /** Key in the config file. */
  readonly configKey?: string;
  /** May be repeated; `parse` gets all values. */
  readonly isRepeatable?: boolean;
  /** All valid values, for completion. */
  readonly choices?: readonly string[];
  /** Redacts a value for `--info` and errors. @default removes user and password from URLs */
  readonly hide?: (text: string) => string;
  /** What completion offers as values. */
  readonly completes?: "file" | "directory";
  /** Parses the last value, or all values of a repeatable flag. */
  readonly parse: (texts: readonly string[]) => T | Unfit;
}

/** Value of a variable that the platform sets. An invalid value is ignored, and the problem becomes a warning. */
export interface PlatformReading<T> {
  readonly value: T | Unfit;
  readonly problem: string | null;
}

export type FlagTable = Readonly<Record<string, Flag<unknown>>>;

/** Types of the values of a flag table, by flag name. */
export type FlagValues<F extends FlagTable> = {
  readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
};

export type Common<T> = Pick<Flag<T>, "summary"> &
  Partial<
    Pick<
      Flag<T>,
      | "short"
      | "formerName"
      | "placeholder"
      | "env"
      | "platforms"
      | "configKey"
      | "fallbackText"
      | "completes"
      | "hide"
    >
  >;

const last = (texts: readonly string[]): string => texts.at(-1) ?? "";

export function single<T>(fallback: T, parse: (text: string) => T | Unfit, common: Common<T>): Flag<T> {
  return { placeholder: "TEXT", ...common, fallback, parse: (texts) => parse(last(texts)) };
}

/** A switch that is on by default is turned off by `--name=false`. */
export function switchFlag({
  fallback = false,
  ...common
}: Common<boolean> & { readonly fallback?: boolean }): Flag<boolean> {
  const parse = (texts: readonly string[]) => {
    const text = last(texts).toLowerCase();
    if (["true", "1", "yes", "on"].includes(text)) return true;
    if (["false", "0", "no", "off", ""].includes(text)) return false;
    return new Unfit("true or false");
  };
  return { ...common, fallback, parse };
}

export function textFlag<T extends string | null>(fallback: T, common: Common<string | T>): Flag<string | T> {
  return single<string | T>(fallback, (text) => (text === "" ? new Unfit("a non-empty text") : text), common);
}

/** A string that `isFit` accepts; `expected` describes such strings. */
export function checkedFlag<T extends string | null>(
  fallback: T,
  isFit: (text: string) => boolean,
  expected: string,
  common: Common<string | T>,
): Flag<string | T> {
  return single<string | T>(fallback, (text) => (isFit(text) ? text : new Unfit(expected)), common);
}

export function integerFlag<T extends number | null>(
  fallback: T,
  range: { readonly min: number; readonly max: number },
  common: Common<number | T>,
): Flag<number | T> {
  const expected = `a whole number from ${range.min} to ${range.max}`;
  return single<number | T>(
    fallback,
    (text) => {
      const value = /^[+-]?\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
      return value >= range.min && value <= range.max ? value : new Unfit(expected);
    },
    { placeholder: "N", ...common },
  );
}

/** A duration, in milliseconds. With `bareSeconds`, a number without a unit means seconds. */
export function durationFlag<T extends number | null>(
  fallback: T,
  common: Common<number | T> & { readonly bareSeconds?: boolean },
): Flag<number | T> {
  const { bareSeconds = false, ...rest } = common;
  const expected = bareSeconds
    ? "seconds (5) or a duration such as 500ms or 1m30s"
    : "a duration such as 500ms, 5s or 1m30s";
  return single<number | T>(
    fallback,
    (text) => {
      const ms = bareSeconds && /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseDuration(text);
      return ms === undefined ? new Unfit(expected) : ms;
    },
    { placeholder: "DURATION", ...rest },
  );
}

export function choiceFlag<const C extends string, T extends C | null>(
  fallback: T,
  choices: readonly C[],
  common: Common<C | T>,
): Flag<C | T> {
  const parse = (text: string) =>
    choices.find((choice) => choice === text) ?? new Unfit(`one of ${choices.join(", ")}`);
  return { ...single<C | T>(fallback, parse, { placeholder: choices.join("|"), ...common }), choices };
}

/** A base URL. */
export function urlFlag(common: Common<Endpoint | null>): Flag<Endpoint | null> {
  return single<Endpoint | null>(null, parseUrl, { placeholder: "URL", hide: hideSecrets, ...common });
}

/** @param isExact see `parseEndpoint` */
export function parseUrl(text: string, isExact = false): Endpoint | Unfit {
  const endpoint = parseEndpoint(text, isExact);
  return typeof endpoint === "string" ? new Unfit(endpoint) : endpoint;
}

/** A kind of server and its base URL: `zipkin=http://localhost:9411`. */
export function kindUrlFlag<const K extends string>(
  kinds: readonly K[],
  common: Common<KindOfServer<K> | null>,
): Flag<KindOfServer<K> | null> {
  const parse = (text: string) => {
    const [, name, rest = ""] = /^([a-z]+)=(.*)$/s.exec(text) ?? [];
    const kind = kinds.find((it) => it === name);
    const endpoint = parseUrl(rest);
    const names = kinds.map((it) => `${it}=`).join(" or ");
    if (kind === undefined) return new Unfit(`${names} and a URL, such as zipkin=${ZIPKIN_URL}`);
    if (endpoint instanceof Unfit) return new Unfit(`${kind}= and ${endpoint.expected}`);
    return { kind, ...endpoint };
  };
  return single<KindOfServer<K> | null>(null, parse, {
    placeholder: "KIND=URL",
    hide: hideSecrets,
    ...common,
  });
}

export interface KindOfServer<K extends string> extends Endpoint {
  readonly kind: K;
}

/** A percentage: `1%`. The value is a fraction. */
export function percentageFlag(fallback: number, common: Common<number>): Flag<number> {
  const parse = (text: string) => parsePercentage(text) ?? new Unfit("a percentage such as 1% or 100%");
  return single<number>(fallback, parse, {
    placeholder: "PERCENT",
    fallbackText: formatPercentage(fallback),
    ...common,
  });
}

/** `Name: value`; may be repeated. */
export function headerFlag(common: Common<readonly Header[]>): Flag<readonly Header[]> {
  const parse = (texts: readonly string[]) => {
    const headers: Header[] = [];
    for (const text of texts) {
      const [, name, value] = /^\s*([^:\s]+)\s*:\s*(.*?)\s*$/.exec(text) ?? [];
      if (name === undefined || value === undefined)
        return new Unfit("a header such as 'Accept: text/plain'");
      headers.push([name, value]);
    }
    return headers;
  };
  const hide = (text: string) => text.replace(/^(\s*[^:\s]+\s*:)?.*$/s, "$1 ***").trim();
  return {
    placeholder: "HEADER",
    ...common,
    fallback: [],
    fallbackText: "",
    isRepeatable: true,
    hide,
    parse,
  };
}

export type Header = readonly [name: string, value: string];

/** Address to listen on: `8080`, `0.0.0.0:8080`, `[::]:8080`. Without a host, loopback. */
export function listenFlag(common: Common<ListenAddress | null>): Flag<ListenAddress | null> {
  const parse = (text: string) => {
    const [, host = "127.0.0.1", port = ""] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? [];
    if (port === "" || Number(port) > 65_535) return new Unfit("a port or an address such as 0.0.0.0:8080");
    return { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
  };
  return single<ListenAddress | null>(null, parse, { placeholder: "[ADDRESS:]PORT", ...common });
}

interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `NAME=URL` pairs, repeated or separated by commas. */
export function nameUrlFlag(
  common: Common<ReadonlyMap<string, Endpoint>>,
): Flag<ReadonlyMap<string, Endpoint>> {
  const parse = (texts: readonly string[]) => {
    const urls = new Map<string, Endpoint>();
    for (const text of texts.flatMap((it) => it.split(","))) {
      const [name, ...rest] = text.split("=");
      const url = parseUrl(rest.join("="));
      if (name === undefined || name === "" || url instanceof Unfit)
        return new Unfit("NAME=URL such as cart=http://localhost:8001");
      urls.set(name, url);
    }
    return urls;
  };
  return {
    placeholder: "NAME=URL",
    ...common,
    fallback: new Map(),
    fallbackText: "",
    isRepeatable: true,
    hide: hideSecrets,
    parse,
  };
}

/** Base URLs, in order. */
export function urlListFlag(common: Common<readonly Endpoint[]>): Flag<readonly Endpoint[]> {
  const parse = (texts: readonly string[]) => {
    const urls: Endpoint[] = [];
    for (const text of texts.flatMap((it) => it.split(","))) {
      const url = parseUrl(text.trim());
      if (url instanceof Unfit) return url;
      urls.push(url);
    }
    return urls;
  };
  return {
    placeholder: "URL",
    ...common,
    fallback: [],
    fallbackText: "",
    isRepeatable: true,
    hide: hideSecrets,
    parse,
  };
}

/** A comma-separated list of known words. */
export function choicesFlag<const C extends string>(
  fallback: readonly C[],
  choices: readonly C[],
  common: Common<readonly C[]>,
): Flag<readonly C[]> {
  const parse = (texts: readonly string[]) => {
    const words = texts.flatMap((text) => text.split(",")).map((word) => word.trim());
    const known = words.flatMap((word) => choices.find((choice) => choice === word) ?? []);
    return known.length === words.length ? known : new Unfit(`a list of ${choices.join(", ")}`);
  };
  return {
    placeholder: "LIST",
    ...common,
    fallback,
    fallbackText: fallback.join(","),
    isRepeatable: true,
    choices,
    parse,
  };
}
