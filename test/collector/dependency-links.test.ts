import { expect, test } from "bun:test";
import fc from "fast-check";
import { DependencyLinks } from "../../src/collector/dependency-links.ts";
import type { Span } from "../../src/trace/span.ts";
import { findLinks } from "./link-oracle.ts";
import { hexId, makeChain, makeSpan } from "./spans.ts";

function linksOf(spans: readonly Span[]): string[] {
  const links = new DependencyLinks();
  links.addTrace(spans);
  return links
    .links()
    .map(({ parent, child, callCount, errorCount = 0 }) => `${parent}>${child} ${callCount} ${errorCount}`)
    .sort();
}

const at = (serviceName: string) => ({ localEndpoint: { serviceName } });
const to = (serviceName: string) => ({ remoteEndpoint: { serviceName } });

test("a chain is a line of links", () => {
  const pair = (link: number) => `chain-link-service-${link}>chain-link-service-${link + 1} 1 0`;
  expect(linksOf(makeChain(hexId(1), 4, 1))).toEqual([0, 1, 2].map(pair));
});

test("a client without children links to the name that it chose, one with children to its server's own", () => {
  const client = makeSpan({ id: hexId(2), parentId: hexId(1), kind: "CLIENT", ...at("a"), ...to("guessed") });
  const root = makeSpan({ kind: "SERVER", ...at("a") });
  expect(linksOf([root, client])).toEqual(["a>guessed 1 0"]);
  const server = makeSpan({ id: hexId(3), parentId: hexId(2), kind: "SERVER", ...at("b") });
  expect(linksOf([root, client, server])).toEqual(["a>b 1 0"]);
});

test("a client's error counts for its server, except when it is the client half of a shared span", () => {
  const client = makeSpan({ id: hexId(2), kind: "CLIENT", ...at("a"), tags: { error: "" } });
  const server = makeSpan({ id: hexId(3), parentId: hexId(2), kind: "SERVER", ...at("b") });
  expect(linksOf([client, server])).toEqual(["a>b 1 1"]);
  expect(linksOf([client, makeSpan({ id: hexId(2), kind: "SERVER", shared: true, ...at("b") })])).toEqual([
    "a>b 1 0",
  ]);
});

test("messages link through their broker", () => {
  const producer = makeSpan({ id: hexId(1), kind: "PRODUCER", ...at("a"), ...to("kafka") });
  const consumer = makeSpan({
    id: hexId(2),
    parentId: hexId(1),
    kind: "CONSUMER",
    ...at("b"),
    ...to("kafka"),
  });
  expect(linksOf([producer, consumer])).toEqual(["a>kafka 1 0", "kafka>b 1 0"]);
  expect(linksOf([makeSpan({ kind: "PRODUCER", ...at("a") })])).toEqual([]);
});

test("a chain of 10,000 links does not overflow the stack", () => {
  expect(linksOf(makeChain(hexId(1), 10_000, 1))).toHaveLength(9999);
});

/** Few ids, so that spans share ids, lack parents and form cycles. */
export function anyTrace(): fc.Arbitrary<Span[]> {
  const id = fc.integer({ min: 1, max: 5 }).map(hexId);
  const endpoint = fc.record(
    {
      serviceName: fc.constantFrom("a", "b", "c"),
      ipv4: fc.constantFrom("1.1.1.1", "2.2.2.2"),
      port: fc.constantFrom(80, 81),
    },
    { requiredKeys: ["serviceName"] },
  );
  const span = fc.record(
    {
      traceId: fc.constantFrom(hexId(1), `000000000000000a${hexId(1)}`),
      id,
      parentId: id,
      kind: fc.constantFrom("CLIENT" as const, "SERVER" as const, "PRODUCER" as const, "CONSUMER" as const),
      localEndpoint: endpoint,
      remoteEndpoint: endpoint,
      shared: fc.constant(true as const),
      tags: fc.constant({ error: "" }),
    },
    { requiredKeys: ["traceId", "id"] },
  );
  // Fields that the decoder would reject.
  return fc.array(span, { minLength: 1, maxLength: 9 }).map((spans) =>
    spans.map(({ parentId, shared, ...rest }) => ({
      ...rest,
      ...(parentId !== undefined && parentId !== rest.id && { parentId }),
      ...(shared && rest.kind !== "CLIENT" && { shared }),
    })),
  );
}

test("links equal those of a slow, literal implementation of the rules", () => {
  fc.assert(
    fc.property(anyTrace(), (spans) => expect(linksOf(spans)).toEqual(findLinks(spans))),
    { numRuns: 3000 },
  );
});
