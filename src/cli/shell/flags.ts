import { parseDuration } from "../../lib/duration.ts";
import { type Endpoint, hideSecrets, parseEndpoint } from "../../lib/endpoint.ts";
import { formatPercentage, parsePercentage } from "../../lib/percentage.ts";

/** Text that a flag does not take; `expected` says what it would. */
export class Unfit {
  constructor(readonly expected: string) {}
}

/** One flag: everything that parsing, help, completion and documentation need to know of it. */
export interface Flag<T> {
  readonly summary: string;
  /** One letter, without the dash. */
  readonly short?: string;
  /** What stands for the value in help; absent for a switch. */
  readonly placeholder?: string;
  /** Value when nobody sets it. */
  readonly fallback: T;
  /** The fallback as help shows it, where it is not simply the value. */
  readonly fallbackText?: string;
  /**
   * Environment variables, the first that is set wins. None for a name that has another form in a command that runs in
   * pods: the variable is that one's. @default `CHAIN_LINK_<NAME>`
   */
  readonly env?: readonly string[];
  /** How variables of OpenTelemetry are read where they have another form than the flag. */
  readonly platforms?: Readonly<Record<string, (text: string) => PlatformReading<T>>>;
  /** The key in the configuration file. */
  readonly configKey?: string;
  /** May be given several times; `parse` sees each value. */
  readonly isRepeatable?: boolean;
  /** All values there are, for completion. */
  readonly choices?: readonly string[];
  /** A given text without what is secret in it, for `--info` and errors. @default without users of URLs */
  readonly hide?: (text: string) => string;
  /** What completion offers. */
  readonly completes?: "file" | "directory";
  /** The value of one text, or why it is unfit. For a repeatable flag: of all texts. */
  readonly parse: (texts: readonly string[]) => T | Unfit;
}

/** What a variable that a platform sets says: an unfit value is ignored, and the problem is a warning. */
export interface PlatformReading<T> {
  readonly value: T | Unfit;
  readonly problem: string | null;
}

export type FlagTable = Readonly<Record<string, Flag<unknown>>>;

/** The values of a flag table by the flags' names. */
export type FlagValues<F extends FlagTable> = {
  readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
};

export type Common<T> = Pick<Flag<T>, "summary"> &
  Partial<
    Pick<
      Flag<T>,
      "short" | "placeholder" | "env" | "platforms" | "configKey" | "fallbackText" | "completes" | "hide"
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
  return single<string | T>(
    fallback,
    (text) => (text === "" ? new Unfit("a text that is not empty") : text),
    common,
  );
}

/** A text that a check accepts; `expected` describes such texts. */
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

/** Milliseconds; a number without unit counts as seconds where `bareSeconds` says so. */
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
    if (kind === undefined) return new Unfit(`${names} and a URL, such as zipkin=http://localhost:9411`);
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

/** A share of a whole: `1%`. */
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

/** Where to listen: `8080`, `0.0.0.0:8080`, `[::]:8080`. Without a host only this machine is served. */
export function listenFlag(common: Common<ListenAddress | null>): Flag<ListenAddress | null> {
  const parse = (text: string) => {
    const [, host = "127.0.0.1", port = ""] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? [];
    if (port === "" || Number(port) > 65_535) return new Unfit("a port or an address such as 0.0.0.0:8080");
    return { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
  };
  return single<ListenAddress | null>(null, parse, { placeholder: "[ADDRESS:]PORT", ...common });
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Several `NAME=URL`, repeated or separated by commas. */
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

/** Several of a few words, separated by commas. */
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
