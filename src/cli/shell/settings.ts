import { hideInUrls } from "../../lib/endpoint.ts";
import { UserError } from "../../lib/errors.ts";
import { type FlagTable, type FlagValues, type PlatformReading, Unfit } from "./flags.ts";

/** One resolved flag value and its source. */
export interface Setting {
  /** Flag name, without dashes. */
  readonly name: string;
  readonly value: unknown;
  /** The value as typed, with secrets redacted. */
  readonly text: string;
  /** `--instances`, `CHAIN_LINK_INSTANCES`, a file name and key, or `default`. */
  readonly origin: string;
  /** Why OpenTelemetry variables were ignored, wholly or in part. The command that uses the value prints them. */
  readonly warnings: readonly string[];
}

export interface SettingSources {
  /** Values given on the command line, by flag name. */
  readonly given: ReadonlyMap<string, readonly string[]>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Flags whose environment variables are ignored. @default none */
  readonly idle?: ReadonlySet<string>;
  /** Values of the config file by key; `null` when the command does not use it. */
  readonly file: { readonly path: string; readonly values: ReadonlyMap<string, string> } | null;
}

/** The default as help shows it; empty when there is none. */
export function formatFallback(flag: FlagTable[string]): string {
  if (flag.fallbackText !== undefined) return flag.fallbackText;
  if (flag.fallback === null || flag.fallback === false) return "";
  return String(flag.fallback);
}

/** Environment variables of a flag, as help shows them. */
export function environmentOf(name: string, flag: FlagTable[string]): readonly string[] {
  return flag.env ?? [variableOf(name)];
}

/** Environment variables of a flag, with that of its old name. */
export function variablesOf(name: string, flag: FlagTable[string]): readonly string[] {
  const { formerName } = flag;
  return [...environmentOf(name, flag), ...(formerName === undefined ? [] : [variableOf(formerName)])];
}

function variableOf(name: string): string {
  return `CHAIN_LINK_${name.toUpperCase().replaceAll("-", "_")}`;
}

/**
 * Resolves every flag of a table. Precedence: command line, environment, config file, default.
 * @throws {UserError} `usage` or `config-invalid` for an invalid value, with its source
 */
export function resolveSettings<F extends FlagTable>(
  table: F,
  sources: SettingSources,
): { readonly settings: readonly Setting[]; readonly values: FlagValues<F> } {
  const settings = Object.entries(table).map(([name, flag]) => resolveSetting(name, flag, sources));
  const values = Object.fromEntries(settings.map(({ name, value }) => [name, value])) as FlagValues<F>;
  return { settings, values };
}

function resolveSetting(name: string, flag: FlagTable[string], sources: SettingSources): Setting {
  const given = sources.given.get(name);
  if (given !== undefined) return parseSetting(name, flag, given, `--${name}`, "usage");
  const warnings: string[] = [];
  const variables = sources.idle?.has(name) ? [] : variablesOf(name, flag);
  for (const variable of variables) {
    const text = sources.environment[variable];
    if (text === undefined || text === "") continue;
    if (!isPlatforms(variable)) return parseSetting(name, flag, [text], variable, "usage", warnings);
    const { value, problem } = readPlatforms(flag, variable, text.trim());
    if (problem !== null) warnings.push(`${variable}: ${problem}`);
    if (!(value instanceof Unfit))
      return { name, value, text: hideIn(flag, text), origin: variable, warnings };
  }
  const inFile = flag.configKey === undefined ? undefined : sources.file?.values.get(flag.configKey);
  if (inFile !== undefined) {
    return parseSetting(
      name,
      flag,
      [inFile],
      `${sources.file?.path}: ${flag.configKey}`,
      "config-invalid",
      warnings,
    );
  }
  return { name, value: flag.fallback, text: formatFallback(flag), origin: "default", warnings };
}

/** OpenTelemetry variables are set for all programs of a platform, so an invalid value is never an error. */
function isPlatforms(variable: string): boolean {
  return variable.startsWith("OTEL_");
}

function readPlatforms(flag: FlagTable[string], variable: string, text: string): PlatformReading<unknown> {
  if (text === "") return { value: new Unfit(""), problem: null };
  const read = flag.platforms?.[variable];
  if (read !== undefined) return read(text);
  const value = flag.parse([text]);
  if (!(value instanceof Unfit)) return { value, problem: null };
  return {
    value,
    problem: `ignored: expected ${value.expected}, found ${JSON.stringify(hideIn(flag, text))}`,
  };
}

function hideIn({ hide = hideInUrls }: FlagTable[string], text: string): string {
  return hide(text);
}

function parseSetting(
  name: string,
  flag: FlagTable[string],
  texts: readonly string[],
  origin: string,
  code: "usage" | "config-invalid",
  warnings: readonly string[] = [],
): Setting {
  const value = flag.parse(texts);
  if (value instanceof Unfit) {
    const found = JSON.stringify(hideIn(flag, texts.at(-1) ?? ""));
    throw new UserError(code, `${origin}: expected ${value.expected}, found ${found}`);
  }
  return { name, value, text: texts.map((it) => hideIn(flag, it)).join(","), origin, warnings };
}
