// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
import type { ExportTarget } from "../../link/export.ts";
import { REPORTER_DEFAULTS } from "../../link/reporter.ts";
import type { TracerSettings } from "../../link/tracer-settings.ts";
import type { Output } from "../shell/output.ts";
import type { Setting } from "../shell/settings.ts";
import { chooseTarget, type TargetFlags } from "./export-target.ts";
import { type Environment, OtelVariables } from "./otel-variables.ts";

/** How links record spans and where they send them. */
interface Tracing {
  readonly tracer: TracerSettings;
  readonly target: ExportTarget;
}

/**
 * Resolves flags and variables about tracing. Prints one warning for each variable with an invalid value.
 * @param collectorUrl The collector started for the links; `null` when flags and variables choose one
 * @throws {UserError} `usage` when flags contradict each other
 */
export function readTracing(
  flags: TargetFlags,
  settings: readonly Setting[],
  output: Pick<Output, "warn">,
  collectorUrl: string | null = null,
  env: Environment = process.env,
): Tracing {
  const variables = new OtelVariables(env);
  const isDisabled = variables.isTrue("OTEL_SDK_DISABLED");
  const chosen = chooseTarget(flags, settings, variables, collectorUrl);
  const off = isDisabled
    ? "OTEL_SDK_DISABLED is true"
    : chosen.isNone
      ? "OTEL_TRACES_EXPORTER is none"
      : null;
  const tracer = {
    isTracing: off === null,
    samplingShare: readSamplingShare(variables),
    reporter: {
      ...REPORTER_DEFAULTS,
      queueSize: variables.count(REPORTER_DEFAULTS.queueSize, 1, "OTEL_BSP_MAX_QUEUE_SIZE"),
      batchSize: variables.count(REPORTER_DEFAULTS.batchSize, 1, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
      delayMs: variables.count(REPORTER_DEFAULTS.delayMs, 0, "OTEL_BSP_SCHEDULE_DELAY"),
      timeoutMs: Math.min(
        variables.count(chosen.timeoutMs ?? REPORTER_DEFAULTS.timeoutMs, 1, "OTEL_BSP_EXPORT_TIMEOUT"),
        chosen.timeoutMs ?? Number.POSITIVE_INFINITY,
      ),
    },
    resourceAttributes: variables.pairs("OTEL_RESOURCE_ATTRIBUTES", () => true),
  };
  // Variables do not choose the target when a collector was started, so their problems do not matter.
  const used = collectorUrl === null ? settings : [];
  const warnings = [...used.flatMap((setting) => setting.warnings), ...variables.warnings];
  // When links do not trace, no other warning matters.
  for (const text of off === null ? warnings : [`${off}: links record no spans`]) output.warn(text);
  return { tracer, target: chosen.target };
}

function readSamplingShare(variables: OtelVariables): number {
  const names = ["always_on", "always_off", "traceidratio"].flatMap((it) => [it, `parentbased_${it}`]);
  const name = variables.choice(names, "parentbased_always_on", "OTEL_TRACES_SAMPLER");
  // The caller's sampling decision is always honored; this one is for traces that start at a link.
  const root = name?.replace(/^parentbased_/, "") ?? "always_on";
  if (root !== "traceidratio") return root === "always_off" ? 0 : 1;
  const found = variables.find("OTEL_TRACES_SAMPLER_ARG");
  const share = found === null ? 1 : Number(found.text);
  if (share >= 0 && share <= 1) return share;
  variables.warn("OTEL_TRACES_SAMPLER_ARG", "expected a number from 0 to 1", found?.text ?? "", "1");
  return 1;
}
