import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { startCollector } from "../../../src/collector/server.ts";
import type { PropagationResult } from "../../../src/contract/propagation-result.ts";
import { ZipkinReader } from "../../../src/verify/backend/zipkin-reader.ts";
import { judgePropagation, type Observation } from "../../../src/verify/propagation/propagation.ts";
import { newProbes } from "../../../src/verify/propagation/propagation-forms.ts";
import { verifyPropagation } from "../../../src/verify/propagation/propagation-run.ts";
import { quickChain, startChain, type TestChain } from "../../helpers/chain.ts";
import { startFaultProxy, startHeaderProxy } from "../../helpers/fault-proxy.ts";

setDefaultTimeout(60_000);

/** `form: edge state` of every form that is neither kept nor unused. */
function findingsOf(result: PropagationResult): string[] {
  return result.forms.flatMap(({ form, edges }) =>
    Object.entries(edges)
      .filter(([, { state }]) => state !== "kept" && state !== "unused")
      .map(([edge, { state, detail }]) => `${form}: ${edge} ${state}, ${detail}`),
  );
}

describe("in a chain of three", () => {
  let collector: ReturnType<typeof startCollector>;
  beforeAll(() => {
    collector = startCollector({ host: "127.0.0.1", port: 0 });
  });
  afterAll(() => collector.stop());

  /** Verifies with a proxy before one of the links; `entry` is the one between the test and the first link. */
  async function run(
    before: "entry" | "c",
    toRequest: (headers: Headers) => void,
    exported: string = collector.url,
  ) {
    let chain: TestChain | undefined;
    const behind = () => (before === "entry" ? chain?.url : chain?.link("c").url) ?? "";
    await using proxy = startHeaderProxy(behind, toRequest);
    await using started = startChain(quickChain("a", "b", "c"), {
      link: {
        target: { kind: "zipkin", url: exported },
        resolve: (service) => (service === before ? proxy.url : (chain?.link(service).url ?? "")),
      },
    });
    chain = started;
    return await verifyPropagation({
      subject: null,
      url: before === "entry" ? proxy.url : chain.url,
      reader: new ZipkinReader(collector.url, "collector"),
      requestsPerForm: 2,
      timeoutMs: 30_000,
      maxWaitMs: exported === collector.url ? 20_000 : 1_500,
      queriesPerSecond: 100,
      signal: new AbortController().signal,
    });
  }

  test("a proxy that changes nothing keeps every form on every edge", async () => {
    const result = await run("c", () => {});
    expect(findingsOf(result)).toEqual([]);
    expect(result).toMatchObject({ outcome: "kept", edges: ["(verify) > a", "a > b", "b > c"] });
    const states = result.forms.flatMap(({ edges }) => Object.values(edges).map(({ state }) => state));
    expect(new Set(states)).toEqual(new Set(["kept"]));
    expect(result.requests).toBe(2 * result.forms.length);
  });

  test("a proxy that strips B3 breaks the forms without another format, only on its edge", async () => {
    const result = await run("c", (headers) => headers.delete("b3"));
    expect(result.outcome).toBe("broken");
    const broken = findingsOf(result);
    const ofMixed = broken.filter((it) => it.endsWith("b > c changed, b3 is stripped"));
    expect(ofMixed.map((it) => it.replace(/:.*/, ""))).toEqual(["mixed", "contradicting ids"]);
    expect(broken.filter((it) => !ofMixed.includes(it)).map((it) => it.replace(/,.*/, ""))).toEqual(
      [
        "b3 single",
        "b3 single 64 bit",
        "b3 single debug",
        "b3 single not sampled",
        "b3 single undecided",
        "b3 single deny",
        "malformed b3 single",
      ].map((form) => `${form}: b > c broken`),
    );
  });

  test("a proxy that changes tracestate, baggage or x-request-id is reported on its edge", async () => {
    const result = await run("c", (headers) => {
      // It adds a member at the front, as vendors do, and drops the last ones, as if for lack of space.
      const states = headers.get("tracestate")?.split(",").slice(0, 30) ?? [];
      if (states.length > 0) headers.set("tracestate", ["mesh=1", ...states].join(","));
      headers.delete("baggage");
      if (headers.has("x-request-id")) headers.set("x-request-id", "mine");
    });
    expect(findingsOf(result)).toEqual([
      "w3c full tracestate: b > c changed, 2 of 32 members of tracestate are lost or moved",
      "w3c full baggage: b > c changed, baggage is stripped",
      "w3c x-request-id: b > c changed, x-request-id is another",
    ]);
  });

  test("a proxy that clears or sets the random flag changes only the forms with W3C flags", async () => {
    const rewrite = (from: RegExp, to: string) => (headers: Headers) => {
      const value = headers.get("traceparent");
      if (value !== null) headers.set("traceparent", value.replace(from, to));
    };
    const cleared = await run("c", rewrite(/-03$/, "-01"));
    expect(findingsOf(cleared)).toEqual([
      "w3c random: b > c changed, the random flag of traceparent is lost",
    ]);
    const set = await run("c", rewrite(/-01$/, "-03"));
    expect(findingsOf(set)).toContain("mixed: b > c changed, traceparent gained the random flag");
  });

  test("a proxy that adds members to tracestate and baggage keeps every form", async () => {
    const result = await run("c", (headers) => {
      for (const name of ["tracestate", "baggage"]) {
        const value = headers.get(name);
        if (value !== null) headers.set(name, `mesh=1, ${value.replaceAll(",", " , ")}`);
      }
    });
    expect(findingsOf(result)).toEqual([]);
  });

  test("a link that does not record its incoming headers makes the result could-not-tell", async () => {
    const result = await run("c", (headers) => headers.delete("chain-link-capture"));
    const found = findingsOf(result);
    expect(found).toContain("w3c full baggage: b > c unknown, the link does not show what came in");
    expect(found.every((it) => it.endsWith("b > c unknown, the link does not show what came in"))).toBe(true);
    expect(result.outcome).toBe("could-not-tell");
  });

  test("a proxy that drops the debug flag changes the debug form on its edge", async () => {
    const result = await run("c", (headers) => {
      headers.set("b3", (headers.get("b3") ?? "").replace(/-d(?=-|$)/, "-1"));
      if (headers.get("b3") === "") headers.delete("b3");
    });
    expect(findingsOf(result)).toEqual(["b3 single debug: b > c changed, the debug flag is lost"]);
  });

  test("a proxy that inverts the sampling decision is reported on its edge", async () => {
    const flip = (headers: Headers) => {
      const sampled = headers.get("x-b3-sampled");
      if (sampled !== null) headers.set("x-b3-sampled", sampled === "1" ? "0" : "1");
      headers.delete("traceparent");
      headers.delete("b3");
    };
    const found = findingsOf(await run("c", flip));
    expect(found).toContain("b3 multi: b > c changed, the callee recorded nothing");
    expect(found).toContain("b3 multi not sampled: b > c changed, recorded against the decision");
    expect(found.filter((it) => !it.includes(" b > c "))).toEqual([]);
  });

  test("a proxy that changes the parent in B3 multi headers changes only those forms", async () => {
    const result = await run("c", (headers) => {
      if (headers.has("x-b3-spanid")) headers.set("x-b3-spanid", "00000000000000ff");
    });
    const found = findingsOf(result);
    expect(found).toContain("b3 multi: b > c changed, another parent");
    expect(found.every((it) => it.startsWith("b3 multi") || it.startsWith("malformed b3 multi"))).toBe(true);
    expect(found.every((it) => it.includes(": b > c changed"))).toBe(true);
  });

  test("spans lost on their way to the backend make a form unknown instead of broken", async () => {
    await using losing = startFaultProxy(collector.url);
    losing.edit = (spans) => spans.filter((it) => it.localEndpoint?.serviceName !== "c");
    const result = await run("c", () => {}, losing.url);
    expect(result.outcome).toBe("could-not-tell");
    const found = findingsOf(result);
    expect(found).toContain("w3c: b > c unknown, spans are missing");
    expect(found.every((it) => it.endsWith(": b > c unknown, spans are missing"))).toBe(true);
  });

  test("a proxy that records spans of its own adds no edge and breaks none", async () => {
    const span = (headers: Headers) => {
      const [, traceId, parentId, flags] = (headers.get("traceparent") ?? "").split("-");
      if (traceId === undefined || flags !== "01") return;
      const id = "00000000000000ff";
      headers.set("traceparent", `00-${traceId}-${id}-01`);
      const own = { traceId, id, parentId, kind: "CLIENT", localEndpoint: { serviceName: "envoy" } };
      const body = JSON.stringify([{ ...own, timestamp: Date.now() * 1000, duration: 1 }]);
      sent.push(fetch(`${collector.url}/api/v2/spans`, { method: "POST", body }));
    };
    const sent: Promise<Response>[] = [];
    const result = await run("c", span);
    await Promise.all(sent);
    expect(sent.length).toBeGreaterThan(5);
    expect(findingsOf(result)).toEqual([]);
    expect(result.edges).toEqual(["(verify) > a", "a > b", "b > c"]);
  });

  test("a proxy before the entry that strips W3C headers is reported on the first edge only", async () => {
    const result = await run("entry", (headers) => headers.delete("traceparent"));
    const found = findingsOf(result);
    expect(found).toContain("w3c: (verify) > a broken, the entry began another trace");
    expect(found).toContain(
      "contradicting ids: (verify) > a changed, went on in the trace of the other form",
    );
    expect(found.filter((it) => !it.includes("(verify) > a"))).toEqual([]);
    expect(found.filter((it) => it.startsWith("b3"))).toEqual([]);
  });
});

describe("the outcome of a form", () => {
  const [probe] = newProbes();
  if (probe === undefined) throw new Error("no forms");
  const nothing: Observation = { probe, status: 200, ledger: null, begun: null, traces: new Map() };
  const outcomeOf = (observation: Observation) =>
    judgePropagation([observation], {
      subject: null,
      url: "http://localhost",
      backend: "none",
      startedMs: 0,
      endedMs: 0,
      judgedMs: 0,
    }).outcome;

  test("is could-not-tell without an answer, without a ledger, or with missing spans", () => {
    expect(outcomeOf({ ...nothing, status: null })).toBe("could-not-tell");
    expect(outcomeOf(nothing)).toBe("could-not-tell");
    expect(outcomeOf({ ...nothing, ledger: { count: 3, high: 1, low: 2, unknown: 1 } })).toBe(
      "could-not-tell",
    );
  });

  test("is broken if the request is rejected", () => {
    expect(outcomeOf({ ...nothing, status: 431 })).toBe("broken");
  });

  test("does not depend on optional limits: tracestate and baggage have the largest size that every proxy must support", () => {
    const headers = newProbes().flatMap((it) => Object.entries(it.headers));
    const textOf = (name: string) => headers.find(([key]) => key === name)?.[1] ?? "";
    expect(textOf("tracestate").length).toBe(512);
    expect(textOf("tracestate").split(",").length).toBe(32);
    expect(textOf("baggage").length).toBe(8192);
    expect(textOf("baggage").split(",").length).toBe(64);
  });
});
