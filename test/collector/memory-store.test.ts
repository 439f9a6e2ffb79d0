import { expect, test } from "bun:test";
import { MemoryStore } from "../../src/collector/memory-store.ts";
import type { Span } from "../../src/trace/span.ts";
import { hexId, makeSpan } from "./spans.ts";
import { describeTraceStore } from "./store-contract.ts";

describeTraceStore("MemoryStore", (maxSpans) => new MemoryStore({ maxSpans }));

test("different spans whose hashes collide are both kept, and still count once each", () => {
  const pair = findCollision();
  const store = new MemoryStore();
  store.add([...pair, ...pair]);
  expect(store.trace(hexId(1))).toEqual(pair);
  expect(store.counts()).toMatchObject({ spans: 2, duplicateSpans: 2 });
});

/** Among some 77,000 spans two share a hash of 32 bits more likely than not. */
function findCollision(): [Span, Span] {
  const byHash = new Map<number, Span>();
  for (let number = 1; ; number++) {
    const span = makeSpan({ id: Bun.hash(String(number)).toString(16).padStart(16, "0") });
    const hash = Bun.hash.xxHash32(JSON.stringify(span));
    const other = byHash.get(hash);
    if (other !== undefined) return [other, span];
    byHash.set(hash, span);
  }
}
