import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { startCollector } from "../../../src/collector/server.ts";
import { ZipkinReader } from "../../../src/verify/backend/zipkin-reader.ts";
import { verifyPropagation } from "../../../src/verify/propagation/propagation-run.ts";
import { quickChain, startChain } from "../../helpers/chain.ts";
import { type EnvoyOptions, hasEnvoy, startEnvoy } from "../../helpers/envoy.ts";

setDefaultTimeout(60_000);

let collector: ReturnType<typeof startCollector>;
beforeAll(() => {
  collector = startCollector({ host: "127.0.0.1", port: 0 });
});
afterAll(() => collector.stop());

/** The forms that a real Envoy before one of three links does not keep: `form: state`, by edge. */
async function findWrong(before: "a" | "c", options: EnvoyOptions) {
  const between = { url: "" };
  await using chain = startChain(quickChain("a", "b", "c"), {
    link: {
      target: { kind: "zipkin", url: collector.url },
      resolve: (service) => (service === before ? between.url : chain.link(service).url),
    },
  });
  await using envoy = await startEnvoy(chain.link(before).url, { collectorUrl: collector.url, ...options });
  between.url = envoy.url;
  const { forms, edges, outcome } = await verifyPropagation({
    subject: null,
    url: before === "a" ? envoy.url : chain.url,
    reader: new ZipkinReader(collector.url, "collector"),
    requestsPerForm: 1,
    timeoutMs: 30_000,
    maxWaitMs: 20_000,
    queriesPerSecond: 100,
    signal: new AbortController().signal,
  });
  const found = edges.map((edge) => {
    const states = forms.map((row) => ({ form: row.form, state: row.edges[edge]?.state ?? "unused" }));
    const wrong = states.filter(({ state }) => state !== "kept" && state !== "unused");
    return [edge, wrong.map(({ form, state }) => `${form}: ${state}`)] as const;
  });
  const wrong: Record<string, string[]> = Object.fromEntries(found.filter(([, list]) => list.length > 0));
  return { outcome, edges, wrong };
}

const EDGES = ["(verify) > a", "a > b", "b > c"];
/** Envoy's OpenTelemetry tracer reads only W3C context, and begins a new trace for every other form. */
const ONLY_B3 = ["", " 64 bit", " debug", " not sampled", " undecided"].flatMap((end) =>
  ["b3 single", "b3 multi"].map((form) => `${form}${end}`),
);

describe.skipIf(!hasEnvoy)("a real Envoy", () => {
  for (const before of ["a", "c"] as const) {
    const edge = before === "a" ? "(verify) > a" : "b > c";

    test(`without a tracer before ${before} keeps every form of trace context`, async () => {
      expect(await findWrong(before, {})).toEqual({ outcome: "kept", edges: EDGES, wrong: {} });
    });

    for (const hasUpstreamSpan of [false, true]) {
      const spans = hasUpstreamSpan ? "two spans" : "one span";

      test(`with a Zipkin tracer and ${spans} before ${before} changes only B3 forms on its edge`, async () => {
        const { edges, outcome, wrong } = await findWrong(before, { tracer: "zipkin", hasUpstreamSpan });
        expect(edges).toEqual(EDGES);
        expect(outcome).toBe("broken");
        expect(Object.keys(wrong)).toEqual([edge]);
        expect(wrong[edge]).toContain("b3 single debug: changed");
        expect(wrong[edge]?.filter((it) => !it.endsWith(": changed"))).toEqual([]);
        expect(wrong[edge]?.filter((it) => it.startsWith("w3c"))).toEqual([]);
      });

      test(`with an OpenTelemetry tracer and ${spans} before ${before} breaks B3 on its edge`, async () => {
        const { edges, outcome, wrong } = await findWrong(before, {
          tracer: "opentelemetry",
          hasUpstreamSpan,
        });
        expect(edges).toEqual(EDGES);
        expect(outcome).toBe("broken");
        expect(Object.keys(wrong)).toEqual([edge]);
        for (const form of ONLY_B3) expect(wrong[edge]).toContain(`${form}: broken`);
        // Envoy passes on tracestate, baggage and x-request-id, but rewrites the flags.
        const ofW3c = wrong[edge]?.filter((it) => it.startsWith("w3c"));
        expect(ofW3c).toEqual(["w3c random: changed"]);
      });
    }
  }
});
