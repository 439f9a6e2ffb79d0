/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads variables that a platform sets for all of its programs. An invalid value is ignored with a warning and is never an
 * error, as OpenTelemetry requires:
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#parsing-empty-value
 */
export class OtelVariables {
  readonly warnings: string[] = [];
  readonly #env: Environment;

  constructor(env: Environment) {
    this.#env = env;
  }

  /** The first variable that is set. */
  find(...names: readonly string[]): { readonly name: string; readonly text: string } | null {
    for (const name of names) {
      const text = this.#env[name]?.trim() ?? "";
      if (text !== "") return { name, text };
    }
    return null;
  }

  isTrue(name: string): boolean {
    const found = this.find(name);
    if (found === null) return false;
    const text = found.text.toLowerCase();
    if (text !== "true" && text !== "false")
      this.warn(name, 'expected "true" or "false"', found.text, "false");
    return text === "true";
  }

  /** `null` when no variable is set, or the first one set has an unknown value. */
  choice<const C extends string>(
    choices: readonly C[],
    fallback: string,
    ...names: readonly string[]
  ): C | null {
    const found = this.find(...names);
    if (found === null) return null;
    const choice = choices.find((it) => it === found.text.toLowerCase());
    if (choice === undefined)
      this.warn(found.name, `expected one of ${choices.join(", ")}`, found.text, fallback);
    return choice ?? null;
  }

  /** A whole number, such as a count or milliseconds. */
  count(fallback: number, min: number, ...names: readonly string[]): number {
    const found = this.find(...names);
    if (found === null) return fallback;
    const value = /^\d+$/.test(found.text) ? Number(found.text) : Number.NaN;
    if (value >= min && value <= MAX_COUNT) return value;
    const expected = `expected a whole number from ${min} to ${MAX_COUNT}`;
    this.warn(found.name, expected, found.text, String(fallback));
    return fallback;
  }

  /** Comma-separated `key=value` pairs with percent-encoded values. One malformed pair discards the whole variable. */
  pairs(name: string, isFit: (key: string, value: string) => boolean): Record<string, string> {
    const found = this.find(name);
    const pairs: Record<string, string> = Object.create(null);
    for (const [index, part] of (found?.text ?? "").split(",").entries()) {
      if (part.trim() === "") continue;
      const [, key = "", encoded = ""] = /^([^=]*)=(.*)$/s.exec(part) ?? [];
      const value = decode(encoded.trim());
      if (key.trim() === "" || value === null || !isFit(key.trim(), value)) {
        // The value may be a secret, so it is not quoted.
        const expected = "expected key=value pairs separated by commas";
        this.warnings.push(`${name} is ignored: ${expected}, but pair ${index + 1} is malformed`);
        return {};
      }
      pairs[key.trim()] = value;
    }
    return { ...pairs };
  }

  /** @param used The value used instead */
  warn(name: string, expected: string, found: string, used: string): void {
    this.warnings.push(`${name}: ${expected}, found ${JSON.stringify(found)}; using ${used}`);
  }
}

const MAX_COUNT = 1e7;

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
