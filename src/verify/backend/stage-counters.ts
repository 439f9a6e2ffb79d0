// https://opentelemetry.io/docs/collector/internal-telemetry/
import { readBodyText } from "../../lib/bounded-body.ts";
import { errorText, UserError } from "../../lib/errors.ts";
import type { Fetch } from "./trace-reader.ts";

/** An OpenTelemetry Collector between the links and the backend, by the URL of its own metrics. */
export interface Stage {
  readonly url: string;
  readonly fetch?: Fetch;
}

/** What the exporters of a collector counted, in spans. */
export interface ExporterCounters {
  readonly sent: number;
  /** Spans that were given up, or that its full queue did not take. */
  readonly failed: number;
}

/** A collector's own counters at one moment. All but `queued` only grow while its process lives. */
export interface StageCounters {
  readonly accepted: number;
  /** Spans that a receiver answered with an error. Whoever sent them may have sent them again. */
  readonly refused: number;
  /** By the exporter's name. */
  readonly exporters: ReadonlyMap<string, ExporterCounters>;
  /** In all queues, in the unit of the collector's configuration: batches unless it says otherwise. */
  readonly queued: number;
  /** Traces that a sampler decided not to keep. */
  readonly sampledOutTraces: number;
  /** Traces that a tail sampler evicted before it decided on them. */
  readonly evictedTraces: number;
  /** Tells this process from another; `null` where it does not tell. */
  readonly identity: string | null;
}

const TIMEOUT_MS = 5000;
/** Exporters that show or discard spans: they are no way to a backend. */
const SINKS = /^(debug|logging|nop|file)(\/|$)/;

/**
 * Reads the counters of all collectors, one after the other in pipeline order: a span that moves on meanwhile is then counted
 * behind the place where it was counted before, and never seems to be lost in between.
 * @throws {UserError} `backend-unreadable`
 */
export async function readStages(stages: readonly Stage[]): Promise<StageCounters[]> {
  const counters: StageCounters[] = [];
  for (const stage of stages) counters.push(await readStage(stage));
  return counters;
}

/** Like {@link readStages}, with `null` for a collector that cannot be read. */
export async function readStagesLeniently(stages: readonly Stage[]): Promise<(StageCounters | null)[]> {
  const counters: (StageCounters | null)[] = [];
  for (const stage of stages) counters.push(await readStage(stage).catch(() => null));
  return counters;
}

async function readStage({ url, fetch: through = fetch }: Stage): Promise<StageCounters> {
  const fail = (problem: string, cause?: unknown) =>
    new UserError(
      "backend-unreadable",
      `cannot read the metrics of the collector at ${url}: ${problem}`,
      "--collector-metrics takes the address of a collector's own metrics, such as http://localhost:8888/metrics.",
      { cause },
    );
  let text: string;
  let status: number;
  try {
    const response = await through(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    text = await readBodyText(response);
    status = response.ok ? 200 : response.status;
  } catch (error) {
    throw fail(errorText(error), error);
  }
  if (status !== 200) throw fail(`it answers ${status}`);
  const counters = parseStage(text);
  if (counters === null) throw fail("expected metrics that begin with otelcol_, found none");
  return counters;
}

/** `null` for text without metrics of a collector. A collector that has received nothing yet has no counters of spans. */
export function parseStage(text: string): StageCounters | null {
  if (!/^otelcol_/m.test(text)) return null;
  const exporters = new Map<string, { sent: number; failed: number }>();
  let [accepted, refused, queued, globallyOut, notSampled, evictedTraces] = [0, 0, 0, 0, 0, 0];
  let identity: string | null = null;
  for (const { name, labels, value } of readSamples(text)) {
    identity ??= labels.get("service_instance_id") ?? labels.get("service.instance.id") ?? null;
    const isOut = labels.get("sampled") === "false";
    switch (name) {
      case "receiver_accepted_spans":
        accepted += value;
        break;
      case "receiver_refused_spans":
      case "receiver_failed_spans":
        refused += value;
        break;
      case "exporter_sent_spans":
        exporterOf(exporters, labels).sent += value;
        break;
      case "exporter_send_failed_spans":
      case "exporter_enqueue_failed_spans":
        exporterOf(exporters, labels).failed += value;
        break;
      case "exporter_queue_size":
        if ((labels.get("data_type") ?? "traces") === "traces") queued += value;
        break;
      case "processor_tail_sampling_global_count_traces_sampled":
        if (isOut) globallyOut += value;
        break;
      case "processor_probabilistic_sampler_count_traces_sampled":
        if (isOut) notSampled += value;
        break;
      case "processor_tail_sampling_sampling_trace_dropped_too_early":
        evictedTraces += value;
        break;
    }
  }
  for (const name of exporters.keys()) if (SINKS.test(name)) exporters.delete(name);
  const sampledOutTraces = globallyOut + notSampled;
  return { accepted, refused, exporters, queued, sampledOutTraces, evictedTraces, identity };
}

function exporterOf(
  exporters: Map<string, { sent: number; failed: number }>,
  labels: ReadonlyMap<string, string>,
): { sent: number; failed: number } {
  const name = labels.get("exporter") ?? labels.get("component_id") ?? "";
  const counters = exporters.get(name) ?? { sent: 0, failed: 0 };
  exporters.set(name, counters);
  return counters;
}

const SAMPLE = /^(?:otelcol_)?([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([\w.]+)"?\s*=\s*"((?:[^"\\]|\\.)*)"/g;

/**
 * The samples of a collector, by names without `otelcol_`, unit and `_total`. Versions and settings of the collector differ in those:
 * `…_accepted_spans`, `…_accepted_spans_total`, `…_accepted_spans__spans_`, `…_accepted_spans__spans__total`.
 */
function* readSamples(text: string) {
  for (const line of text.split("\n")) {
    if (!/^(otelcol_|target_info)/.test(line)) continue;
    const [, full = "", labelText = "", number = ""] = SAMPLE.exec(line) ?? [];
    const value = Number(number);
    if (!Number.isFinite(value)) continue;
    const labels = new Map(Array.from(labelText.matchAll(LABEL), ([, key = "", text = ""]) => [key, text]));
    yield { name: full.replace(/_total$/, "").replace(/__[a-z]+_*$/, ""), labels, value };
  }
}
