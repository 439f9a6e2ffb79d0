import { REPORTER_DEFAULTS, type ReporterLimits } from "./reporter.ts";

/** How links trace, except where they send spans. Plain data, so that it can be sent to other processes. */
export interface TracerSettings {
  /** False: links record no spans, and pass the trace context of a request on unchanged. */
  readonly isTracing: boolean;
  /** Share (0 to 1) of traces to record if the caller leaves the decision to the link. */
  readonly samplingShare: number;
  readonly reporter: ReporterLimits;
  /** Attributes of the OTLP resource in addition to `service.name`. */
  readonly resourceAttributes: Readonly<Record<string, string>>;
}

export const DEFAULT_TRACER: TracerSettings = {
  isTracing: true,
  samplingShare: 1,
  reporter: REPORTER_DEFAULTS,
  resourceAttributes: {},
};
