/** One line of a scrape. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Metric {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const VALUE = /^(?:[+-]?Inf|NaN|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)$/;

/**
 * Reads the text format strictly: each metric has HELP and TYPE once, before its samples, which are consecutive; no
 * series appears twice; a histogram is cumulative and ends with `+Inf`, which equals its count.
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
export function readPrometheusText(text: string): ReadonlyMap<string, Metric> {
  if (!text.endsWith("\n")) throw new Error("the last line has no line feed");
  const metrics = new Map<string, { type: string; help: string; samples: Sample[] }>();
  const seen = new Set<string>();
  let current = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind = "", name = "", rest = ""] = comment;
      if (!NAME.test(name)) throw new Error(`not a name: ${name}`);
      const metric = metrics.get(name) ?? { type: "", help: "", samples: [] };
      if (metric.samples.length > 0) throw new Error(`${kind} of ${name} after its samples`);
      if (kind === "HELP" ? metric.help !== "" : metric.type !== "")
        throw new Error(`${kind} of ${name} twice`);
      if (kind === "HELP") metric.help = rest;
      else metric.type = rest;
      metrics.set(name, metric);
      current = name;
      continue;
    }
    const match = SAMPLE.exec(line);
    if (match === null) throw new Error(`not a line of the format: ${JSON.stringify(line)}`);
    const [, name = "", labelText = "", value = ""] = match;
    const metric = metrics.get(current);
    if (metric === undefined || metric.type === "" || metric.help === "")
      throw new Error(`no HELP and TYPE: ${line}`);
    const allowed =
      metric.type === "histogram" ? [`${current}_bucket`, `${current}_sum`, `${current}_count`] : [current];
    if (!allowed.includes(name)) throw new Error(`${name} stands among the samples of ${current}`);
    if (!VALUE.test(value)) throw new Error(`not a value: ${line}`);
    const key = line.slice(0, line.lastIndexOf(" "));
    if (seen.has(key)) throw new Error(`twice: ${key}`);
    seen.add(key);
    metric.samples.push({
      name,
      labels: readLabels(labelText),
      value: Number(value.replace("Inf", "Infinity")),
    });
  }
  for (const [name, metric] of metrics) if (metric.type === "histogram") checkHistogram(name, metric);
  return metrics;
}

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text);
    if (match === null) throw new Error(`not labels: ${text}`);
    labels[match[1] ?? ""] = match[2] ?? "";
  }
  return labels;
}

function checkHistogram(name: string, { samples }: Metric): void {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  const bounds = buckets.map(({ labels }) => Number(labels.le?.replace("Inf", "Infinity")));
  const count = samples.find((sample) => sample.name === `${name}_count`)?.value;
  for (const [index, bucket] of buckets.entries()) {
    const next = buckets[index + 1];
    if (next === undefined) continue;
    if (!((bounds[index] ?? 0) < (bounds[index + 1] ?? 0))) throw new Error(`bounds of ${name} do not grow`);
    if (bucket.value > next.value) throw new Error(`${name} is not cumulative`);
  }
  if (bounds.at(-1) !== Number.POSITIVE_INFINITY) throw new Error(`${name} does not end with +Inf`);
  if (buckets.at(-1)?.value !== count) throw new Error(`+Inf of ${name} is not its count`);
  if (!samples.some((sample) => sample.name === `${name}_sum`)) throw new Error(`${name} has no sum`);
}
