// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
import type { Endpoint } from "../lib/endpoint.ts";
import { UserError } from "../lib/errors.ts";
import { DEFAULT_ZIPKIN_URL } from "../link/defaults.ts";
import type { ExportTarget, OtlpProtocol } from "../link/export.ts";
import { REPORTER_DEFAULTS, type ReporterLimits } from "../link/reporter.ts";
import { ratioSampler, type Sampler } from "../link/sampler.ts";
import type { Setting } from "./settings.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What OpenTelemetry's variables say and no flag does. */
export interface OtelSettings {
  readonly sampler: Sampler;
  readonly reporter: ReporterLimits;
  readonly headers: Readonly<Record<string, string>>;
  readonly resourceAttributes: Readonly<Record<string, string>>;
}

/** @throws {UserError} `usage`, naming the variable */
export function readOtelEnvironment(env: Environment): OtelSettings {
  return {
    sampler: readSampler(env),
    reporter: {
      ...REPORTER_DEFAULTS,
      queueSize: readCount(env, "OTEL_BSP_MAX_QUEUE_SIZE", REPORTER_DEFAULTS.queueSize),
      batchSize: readCount(env, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", REPORTER_DEFAULTS.batchSize),
      delayMs: readCount(env, "OTEL_BSP_SCHEDULE_DELAY", REPORTER_DEFAULTS.delayMs),
      timeoutMs: readCount(env, "OTEL_BSP_EXPORT_TIMEOUT", REPORTER_DEFAULTS.timeoutMs),
    },
    headers: {
      ...readPairs(env, "OTEL_EXPORTER_OTLP_HEADERS"),
      ...readPairs(env, "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
    },
    resourceAttributes: readPairs(env, "OTEL_RESOURCE_ATTRIBUTES"),
  };
}

interface TargetFlags {
  readonly zipkin: Endpoint | null;
  readonly otlp: Endpoint | null;
  readonly "otlp-protocol": OtlpProtocol;
}

/**
 * Where spans go: what a flag says before what the environment says, otherwise to Zipkin's usual place.
 * @throws {UserError} `usage` when both are said in the same place
 */
export function chooseTarget(
  flags: TargetFlags,
  settings: readonly Setting[],
  headers: Readonly<Record<string, string>>,
): ExportTarget {
  const isGiven = (name: string) =>
    settings.some((setting) => setting.name === name && setting.origin === `--${name}`);
  const { zipkin, otlp } = flags;
  const otlpTarget = (endpoint: Endpoint): ExportTarget => ({
    kind: "otlp",
    url: endpoint.url,
    protocol: flags["otlp-protocol"],
    headers: { ...endpoint.headers, ...headers },
  });
  if (zipkin !== null && otlp !== null && isGiven("zipkin") === isGiven("otlp")) {
    throw new UserError(
      "usage",
      "both a Zipkin and an OTLP receiver were given",
      "Choose one with --zipkin or --otlp.",
    );
  }
  if (otlp !== null && (zipkin === null || isGiven("otlp"))) return otlpTarget(otlp);
  return { kind: "zipkin", url: DEFAULT_ZIPKIN_URL, ...zipkin };
}

function readSampler(env: Environment): Sampler {
  const name = env.OTEL_TRACES_SAMPLER ?? "";
  // The caller's decision is honoured in any case; what is chosen here is for traces that begin with us.
  const root = name.replace(/^parentbased_/, "");
  if (root === "" || root === "always_on") return ratioSampler(1);
  if (root === "always_off") return ratioSampler(0);
  if (root === "traceidratio") {
    const text = env.OTEL_TRACES_SAMPLER_ARG ?? "1";
    const ratio = Number(text);
    if (text.trim() === "" || !(ratio >= 0 && ratio <= 1))
      throw unfit("OTEL_TRACES_SAMPLER_ARG", "a number from 0 to 1", text);
    return ratioSampler(ratio);
  }
  throw unfit("OTEL_TRACES_SAMPLER", "[parentbased_]always_on, always_off or traceidratio", name);
}

function readCount(env: Environment, variable: string, fallback: number): number {
  const text = env[variable];
  if (text === undefined || text === "") return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1e7)
    throw unfit(variable, "a whole number from 1 to 10000000", text);
  return value;
}

/** `key=value` pairs separated by commas, values percent-encoded. */
function readPairs(env: Environment, variable: string): Record<string, string> {
  const text = env[variable] ?? "";
  const pairs: [key: string, value: string][] = [];
  for (const part of text.split(",").map((it) => it.trim())) {
    if (part === "") continue;
    const at = part.indexOf("=");
    if (at < 1) throw unfit(variable, "key=value pairs separated by commas", text);
    pairs.push([part.slice(0, at).trim(), decode(part.slice(at + 1).trim())]);
  }
  return Object.fromEntries(pairs);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function unfit(variable: string, expected: string, found: string): UserError {
  return new UserError("usage", `${variable}: expected ${expected}, found ${JSON.stringify(found)}`);
}
