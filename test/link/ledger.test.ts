import { describe, expect, test } from "bun:test";
import { buildChain } from "../../src/topology/chain.ts";
import { parseTopology } from "../../src/topology/parse.ts";
import { addSpan, EMPTY_LEDGER, formatLedger, LEDGER_HEADER } from "../../src/trace/ledger.ts";
import type { Span } from "../../src/trace/span.ts";
import { startChain } from "../helpers/chain.ts";

/** The ledger of spans as a backend returns them. */
function ledgerOf(spans: readonly Span[], unknown = 0): string {
  const ledger = spans.reduce(
    (sum, { id, parentId = null, kind, localEndpoint }) =>
      addSpan(sum, { id, parentId, kind, serviceName: localEndpoint?.serviceName ?? "" }),
    EMPTY_LEDGER,
  );
  return formatLedger({ ...ledger, unknown });
}

function topologyOf(services: string) {
  return parseTopology(`apiVersion: chain-link.dev/v1\nkind: Topology\nservices:\n${services}`, "t.yaml");
}

async function ledgerIn(url: string, headers: Record<string, string> = {}): Promise<string | null> {
  const response = await fetch(url, { headers });
  await response.text();
  return response.headers.get(LEDGER_HEADER);
}

describe("the ledger in an answer matches the spans in the backend", () => {
  test("for a chain", async () => {
    await using chain = startChain(buildChain(5, { slow: false }));
    const ledger = await ledgerIn(chain.url);
    const spans = await chain.stop();
    expect(spans).toHaveLength(9);
    expect(ledger).toBe(ledgerOf(spans));
  });

  test("for a trace that the caller began, in each form", async () => {
    for (const headers of [
      { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
      { b3: "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1" },
      { "x-b3-traceid": "a3ce929d0e0e4736", "x-b3-spanid": "00f067aa0ba902b7", "x-b3-sampled": "1" },
      { "x-b3-traceid": "0000000000000000a3ce929d0e0e4736", "x-b3-spanid": "00f067aa0ba902b7" },
    ] as Record<string, string>[]) {
      await using chain = startChain(buildChain(3, { slow: false }));
      const ledger = await ledgerIn(chain.url, headers);
      expect(ledger).toBe(ledgerOf(await chain.stop()));
    }
  });

  test("for sequential and concurrent steps, with retries of answered attempts and error answers", async () => {
    const topology = topologyOf(
      `  a: { entry: true, calls: [b, [c, { service: d, retries: 2 }], b] }
  b: { calls: [c] }
  c:
  d: { errors: 100% }
`,
    );
    await using chain = startChain(topology);
    const response = await fetch(chain.url);
    expect(response.status).toBe(500);
    const spans = await chain.stop();
    expect(
      spans.filter(({ kind, localEndpoint }) => kind === "SERVER" && localEndpoint?.serviceName === "d"),
    ).toHaveLength(3);
    expect(response.headers.get(LEDGER_HEADER)).toBe(ledgerOf(spans));
  });

  test("for requests that are rejected with 400, 404 or 405", async () => {
    await using chain = startChain(buildChain(2, { slow: false }));
    const ledgers = [
      await ledgerIn(chain.url, { "X-Current-Service": "nobody" }),
      await ledgerIn(`${chain.url}/nope`),
      await fetch(chain.url, { method: "DELETE" }).then(({ headers }) => headers.get(LEDGER_HEADER)),
    ];
    const spans = await chain.stop();
    expect(ledgers).toEqual(spans.map((span) => ledgerOf([span])));
  });
});

describe("a ledger counts as unknown", () => {
  test("the spans of a callee that is down", async () => {
    await using chain = startChain(buildChain(2, { slow: false }), { absent: ["chain-link-service-1"] });
    const ledger = await ledgerIn(chain.url);
    expect(ledger).toBe(ledgerOf(await chain.stop(), 1));
  });

  test("the spans of each attempt that timed out", async () => {
    const topology = topologyOf(
      `  a: { entry: true, calls: [{ service: b, timeout: 30ms, retries: 2 }] }\n  b: { latency: 200ms }\n`,
    );
    await using chain = startChain(topology);
    const ledger = await ledgerIn(chain.url);
    const spans = await chain.stop();
    expect(ledger).toBe(
      ledgerOf(
        spans.filter(({ localEndpoint }) => localEndpoint?.serviceName === "a"),
        3,
      ),
    );
  });

  test.each([
    ["without a ledger", null],
    ["with a malformed ledger", "many"],
  ])("the spans of a foreign callee that answers %s", async (_title, value) => {
    const headers: Record<string, string> = value === null ? {} : { [LEDGER_HEADER]: value };
    using foreign = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response("hello", { headers }),
    });
    await using chain = startChain(buildChain(2, { slow: false }), {
      absent: ["chain-link-service-1"],
      urls: { "chain-link-service-1": `http://127.0.0.1:${foreign.port}` },
    });
    const ledger = await ledgerIn(chain.url);
    expect(ledger).toBe(ledgerOf(await chain.stop(), 1));
  });

  test("the spans of a callee that lost the context, and its caller counts the broken edge", async () => {
    await using behind = startChain(buildChain(1, { slow: false }));
    using proxy = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => fetch(behind.url) });
    await using chain = startChain(buildChain(2, { slow: false }), {
      absent: ["chain-link-service-1"],
      urls: { "chain-link-service-1": `http://127.0.0.1:${proxy.port}` },
    });
    const ledger = await ledgerIn(chain.url);
    const metrics = await (await fetch(`${chain.url}/metrics`)).text();
    expect(ledger).toBe(ledgerOf(await chain.stop(), 1));
    expect(metrics).toContain('chain_link_broken_contexts_total{service="chain-link-service-1"} 1');
  });
});

test("the ledger of an unsampled request is empty", async () => {
  await using chain = startChain(buildChain(3, { slow: false }));
  const flags = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00" };
  expect(await ledgerIn(chain.url, flags)).toBe("0-0000000000000000");
  expect(await chain.stop()).toEqual([]);
});

test("readiness and metrics have no ledger, because they record no span", async () => {
  await using chain = startChain(buildChain(1, { slow: false }));
  expect(await ledgerIn(`${chain.url}/readiness`)).toBeNull();
  expect(await ledgerIn(`${chain.url}/metrics`)).toBeNull();
});

test("a link without ledgers answers without one, and records the same spans", async () => {
  const chain = startChain(buildChain(3, { slow: false }), { link: { hasLedger: false } });
  expect(await ledgerIn(chain.url)).toBeNull();
  expect(await chain.stop()).toHaveLength(5);
});
