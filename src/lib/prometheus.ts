// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
import type { Histogram } from "./histogram.ts";

export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Upper bounds of latency buckets, in seconds: the defaults of Prometheus' clients and two finer ones. */
export const LATENCY_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

type Labels = Readonly<Record<string, string | number>>;

/** The values of a metric by their labels. */
export type Samples = Iterable<readonly [Labels, number]>;

/** Writes metrics in Prometheus' text format. */
export class PrometheusText {
  #text = "";

  counter(name: string, help: string, value: number | Samples): this {
    return this.#metric("counter", name, help, value);
  }

  gauge(name: string, help: string, value: number | Samples): this {
    return this.#metric("gauge", name, help, value);
  }

  /** A histogram of microseconds, in seconds; a count may include values up to 6 % above the bound of its bucket. */
  histogram(name: string, help: string, micros: Histogram, bucketsS: readonly number[]): this {
    this.#head("histogram", name, help);
    for (const bound of bucketsS)
      this.#sample(`${name}_bucket`, { le: bound }, micros.countUpTo(bound * 1e6));
    this.#sample(`${name}_bucket`, { le: "+Inf" }, micros.count);
    this.#sample(`${name}_sum`, {}, micros.sum / 1e6);
    this.#sample(`${name}_count`, {}, micros.count);
    return this;
  }

  toString(): string {
    return this.#text;
  }

  #metric(type: string, name: string, help: string, value: number | Samples): this {
    this.#head(type, name, help);
    if (typeof value === "number") this.#sample(name, {}, value);
    else for (const [labels, count] of value) this.#sample(name, labels, count);
    return this;
  }

  #head(type: string, name: string, help: string): void {
    this.#text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  #sample(name: string, labels: Labels, value: number): void {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(String(text))}"`);
    this.#text += `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
  }
}

/** Samples that differ in one label. */
export function byLabel(label: string, counts: Iterable<readonly [string | number, number]>): Samples {
  return Array.from(counts, ([value, count]) => [{ [label]: value }, count] as const);
}

/** Label values may come from requests and traces, and contain anything. */
function escapeLabel(text: string): string {
  return text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n");
}
