import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import type { Loss } from "../../../src/contract/verify-result.ts";
import { Histogram } from "../../../src/lib/histogram.ts";
import { renderCanaryMetrics } from "../../../src/verify/canary/canary-metrics.ts";
import { CanaryTotals } from "../../../src/verify/canary/canary-totals.ts";
import { KeptShares } from "../../../src/verify/judge/kept-shares.ts";
import { Tally } from "../../../src/verify/judge/tally.ts";
import { readPrometheusText } from "../../helpers/prometheus-text.ts";

interface Rules {
  readonly groups: readonly {
    readonly name: string;
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly annotations: { readonly summary: string; readonly description: string };
    }[];
  }[];
}

interface Dashboard {
  readonly panels: readonly { readonly id: number; readonly targets: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly query: unknown }[] };
}

function read(name: string): string {
  return readFileSync(new URL(`../../../docs/canary/${name}`, import.meta.url), "utf8");
}

/** Every series of a canary, with the names of its labels. */
function exportedSeries(): Map<string, Set<string>> {
  const totals = new CanaryTotals();
  const tally = new Tally();
  tally.brokenEdges.set("a > b", 1);
  const losses: Loss[] = [{ link: "a", reason: "queue_full", spans: 1 }];
  totals.add(
    {
      tally,
      keptShares: new KeptShares(),
      exportLatency: new Histogram(),
      graph: null,
      queries: 0,
      hasForgotten: false,
    },
    losses,
  );
  const series = new Map<string, Set<string>>();
  for (const { samples } of readPrometheusText(renderCanaryMetrics(totals)).values()) {
    for (const { name, labels } of samples) series.set(name, new Set(Object.keys(labels)));
  }
  return series;
}

const SERIES = exportedSeries();
const rules = (load(read("alerts.yaml")) as Rules).groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(read("dashboard.json")) as Dashboard;

describe("docs/canary", () => {
  const expressions = [
    ...rules.map(({ alert, expr }) => [alert, expr] as const),
    ...dashboard.panels.flatMap(({ id, targets }) =>
      targets.map(({ expr }, index) => [`panel ${id}, ${index}`, expr] as const),
    ),
    ...dashboard.templating.list.map(
      ({ query }, index) => [`variable ${index}`, JSON.stringify(query)] as const,
    ),
  ];

  test.each(expressions)("%s uses only existing series and labels", (_name, expr) => {
    const names = expr.match(/chain_link_\w+/g) ?? [];
    expect(names.filter((name) => !SERIES.has(name))).toEqual([]);
    const known = new Set(["namespace", ...names.flatMap((name) => [...(SERIES.get(name) ?? [])])]);
    const asked = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(/,\s*/));
    const matched = [...expr.matchAll(/[{,]\s*(\w+)\s*=/g)].map(([, label = ""]) => label);
    expect([...asked, ...matched].filter((label) => !known.has(label))).toEqual([]);
  });

  test("uses every series on the dashboard or in an alert", () => {
    const text = expressions.map(([, expr]) => expr).join("\n");
    const unused = [...SERIES.keys()].filter(
      (name) => !text.includes(name.replace(/_(bucket|sum|count)$/, "")),
    );
    expect(unused).toEqual([]);
  });

  test("describes each alert with labels that the alert has", () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { expr, annotations } of rules) {
      const text = `${annotations.summary} ${annotations.description}`;
      for (const [, label = ""] of text.matchAll(/\$labels\.(\w+)/g)) expect(expr).toContain(label);
    }
  });
});
