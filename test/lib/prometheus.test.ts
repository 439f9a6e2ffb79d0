import { expect, test } from "bun:test";
import { Histogram } from "../../src/lib/histogram.ts";
import { byLabel, PrometheusText } from "../../src/lib/prometheus.ts";

test("metrics have help, type, labels and values", () => {
  const text = new PrometheusText()
    .counter("sent_total", "Requests sent.", byLabel("code", [[200, 3]]))
    .gauge("open", "Open requests.", 2)
    .toString();
  expect(text).toBe(
    '# HELP sent_total Requests sent.\n# TYPE sent_total counter\nsent_total{code="200"} 3\n' +
      "# HELP open Open requests.\n# TYPE open gauge\nopen 2\n",
  );
});

test("quotes, backslashes and line feeds in label values are escaped", () => {
  const text = new PrometheusText().gauge("up", "Up.", byLabel("name", [['a"b\\c\nd', 1]])).toString();
  expect(text).toEndWith('up{name="a\\"b\\\\c\\nd"} 1\n');
});

test("a histogram of microseconds has cumulative buckets in seconds, the sum and the count", () => {
  const micros = new Histogram();
  for (const value of [1000, 300_000, 20_000_000]) micros.record(value);
  const lines = new PrometheusText().histogram("time", "Time.", micros, [0.5, 1]).toString().split("\n");
  expect(lines.slice(2, -1)).toEqual([
    'time_bucket{le="0.5"} 2',
    'time_bucket{le="1"} 2',
    'time_bucket{le="+Inf"} 3',
    "time_sum 20.301",
    "time_count 3",
  ]);
});
