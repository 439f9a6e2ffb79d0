// https://opentelemetry.io/docs/specs/otel/protocol/exporter/
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isField } from "../../http/fields.ts";
import type { TlsOptions } from "../../http/upstream.ts";
import type { Endpoint } from "../../lib/endpoint.ts";
import { errorText, UserError } from "../../lib/errors.ts";
import { DEFAULT_OTLP_URL, DEFAULT_ZIPKIN_URL } from "../../link/defaults.ts";
import type { ExportTarget } from "../../link/export.ts";
import { REPORTER_DEFAULTS } from "../../link/reporter.ts";
import type { FlagValues } from "../shell/flags.ts";
import type { Setting } from "../shell/settings.ts";
import type { OtelVariables } from "./otel-variables.ts";
import type { LINK_FLAGS } from "./shared-flags.ts";

export type TargetFlags = Pick<FlagValues<typeof LINK_FLAGS>, "otlp-protocol"> & {
  readonly zipkin: Endpoint | null;
  readonly otlp: Endpoint | null;
};

interface ChosenTarget {
  readonly target: ExportTarget;
  /** Whether spans are not exported at all. */
  readonly isNone: boolean;
  /** Timeout of one request to an OTLP receiver; `null` when no variable sets it. */
  readonly timeoutMs: number | null;
}

/**
 * Chooses where spans go. Precedence: flags, chain-link's variables, OpenTelemetry's variables, Zipkin at its default address.
 * @throws {UserError} `usage` when the same source names both a Zipkin and an OTLP receiver
 */
export function chooseTarget(
  flags: TargetFlags,
  settings: readonly Setting[],
  variables: OtelVariables,
  collectorUrl: string | null,
): ChosenTarget {
  const [zipkinRank, otlpRank] = [rankOf("zipkin", settings), rankOf("otlp", settings)];
  const isOurs = Math.max(zipkinRank, otlpRank) > PLATFORM_RANK;
  if (isOurs && zipkinRank === otlpRank) {
    throw new UserError(
      "usage",
      "both a Zipkin and an OTLP receiver were given",
      "Choose one with --zipkin or --otlp.",
    );
  }
  const exporter = isOurs ? null : readExporter(variables);
  const others = { isNone: exporter === "none", timeoutMs: null };
  if (collectorUrl !== null) return { ...others, target: { kind: "zipkin", url: collectorUrl } };
  const isOtlp = exporter === null ? otlpRank > 0 && otlpRank >= zipkinRank : exporter === "otlp";
  if (exporter === null && otlpRank === PLATFORM_RANK && zipkinRank === PLATFORM_RANK) {
    variables.warnings.push(
      "OTEL_EXPORTER_OTLP_… and OTEL_EXPORTER_ZIPKIN_ENDPOINT are set: using OTLP; OTEL_TRACES_EXPORTER chooses",
    );
  }
  if (!isOtlp) return { ...others, target: { kind: "zipkin", url: DEFAULT_ZIPKIN_URL, ...flags.zipkin } };
  const { url, headers } = flags.otlp ?? { url: DEFAULT_OTLP_URL, headers: {} };
  const timeouts = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
  return {
    isNone: false,
    timeoutMs:
      variables.find(...timeouts) === null
        ? null
        : variables.count(REPORTER_DEFAULTS.timeoutMs, 1, ...timeouts),
    target: {
      kind: "otlp",
      url,
      isExact: settings.some(({ name, origin }) => name === "otlp" && origin === EXACT_VARIABLE),
      protocol: flags["otlp-protocol"],
      headers: joinHeaders(
        headers,
        variables.pairs("OTEL_EXPORTER_OTLP_HEADERS", isField),
        variables.pairs("OTEL_EXPORTER_OTLP_TRACES_HEADERS", isField),
      ),
      isCompressed:
        variables.choice(
          ["gzip", "none"],
          "none",
          "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
          "OTEL_EXPORTER_OTLP_COMPRESSION",
        ) === "gzip",
      tls: url.startsWith("https:") ? readTls(variables) : {},
    },
  };
}

/** The variable whose URL is used as is; the others are base URLs and get a path. */
const EXACT_VARIABLE = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

const PLATFORM_RANK = 1;

/** 3 for a flag, 2 for a chain-link variable, 1 for an OpenTelemetry variable, 0 for a default. */
function rankOf(flag: string, settings: readonly Setting[]): number {
  const origin = settings.find(({ name }) => name === flag)?.origin ?? "default";
  if (origin === "default") return 0;
  return origin.startsWith("--") ? 3 : origin.startsWith("OTEL_") ? PLATFORM_RANK : 2;
}

/** The first exporter of the list that chain-link supports. */
function readExporter(variables: OtelVariables): "otlp" | "zipkin" | "none" | null {
  const found = variables.find("OTEL_TRACES_EXPORTER");
  if (found === null) return null;
  const words = found.text
    .toLowerCase()
    .split(",")
    .map((word) => word.trim());
  const known = (["otlp", "zipkin", "none"] as const).find((it) => words.includes(it)) ?? null;
  if (known === null || words.length > 1) {
    variables.warn(found.name, "expected one of otlp, zipkin, none", found.text, known ?? "the default");
  }
  return known;
}

/** Later headers replace earlier ones of the same name; names are case-insensitive. */
function joinHeaders(...parts: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const joined = new Map<string, readonly [string, string]>();
  for (const [name, value] of parts.flatMap((part) => Object.entries(part))) {
    joined.set(name.toLowerCase(), [name, value]);
  }
  return Object.fromEntries(joined.values());
}

function readTls(variables: OtelVariables): TlsOptions {
  const ca = readPem(variables, "CERTIFICATE", isCertificate);
  const cert = readPem(variables, "CLIENT_CERTIFICATE", isCertificate);
  const key = readPem(variables, "CLIENT_KEY", isKey);
  if ((cert === null) !== (key === null)) {
    variables.warnings.push(
      "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and …_CLIENT_KEY must both be set: using neither",
    );
  }
  return {
    ...(ca === null ? {} : { ca }),
    ...(cert === null || key === null ? {} : { cert, key }),
  };
}

function readPem(variables: OtelVariables, end: string, check: (pem: string) => void): string | null {
  const found = variables.find(`OTEL_EXPORTER_OTLP_TRACES_${end}`, `OTEL_EXPORTER_OTLP_${end}`);
  if (found === null) return null;
  try {
    const pem = readFileSync(found.text, "utf8");
    check(pem);
    return pem;
  } catch (error) {
    variables.warnings.push(`${found.name} is ignored: ${found.text}: ${errorText(error)}`);
    return null;
  }
}

const isCertificate = (pem: string): void => void new X509Certificate(pem);
const isKey = (pem: string): void => void createPrivateKey(pem);
