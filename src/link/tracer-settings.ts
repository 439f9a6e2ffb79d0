import { REPORTER_DEFAULTS, type ReporterLimits } from "./reporter.ts";

/** How links trace, besides where their spans go. Plain data, for links in processes of their own. */
export interface TracerSettings {
  /** False: links record no spans, and pass the trace context of a request on as it came. */
  readonly isTracing: boolean;
  /** The share of traces that are recorded, where the caller leaves it to the link: 0 to 1. */
  readonly samplingShare: number;
  readonly reporter: ReporterLimits;
  /** Attributes of the OTLP resource besides `service.name`. */
  readonly resourceAttributes: Readonly<Record<string, string>>;
}

export const DEFAULT_TRACER: TracerSettings = {
  isTracing: true,
  samplingShare: 1,
  reporter: REPORTER_DEFAULTS,
  resourceAttributes: {},
};
