import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { LinkInstance } from "../../../src/verify/backend/counters.ts";
import { Inquiry } from "../../../src/verify/backend/inquiry.ts";
import { graphOf, startChain, type TestChain } from "../../helpers/chain.ts";

const TRACE_LOW = "48485a3953bb6124";
const QUESTION = {
  traceLow: TRACE_LOW,
  parents: new Map([["00000000000000aa", "a"]]),
  sinceMs: 0,
};

describe("an inquiry about a trace", () => {
  let chain: TestChain;
  beforeAll(() => {
    chain = startChain(graphOf({ a: { calls: ["b"] }, b: {} }));
    QUESTION.sinceMs = Date.now();
  });
  afterAll(() => chain[Symbol.asyncDispose]());
  const instanceOf = (link: string, id = link): LinkInstance => ({ id, link, url: chain.link(link).url });

  test("returns each visit once, even if a link has two addresses", async () => {
    const headers = { traceparent: `00-463ac35c9f6413ad${TRACE_LOW}-00000000000000aa-01` };
    await (await fetch(chain.url, { headers })).text();
    const inquiry = new Inquiry(async () => [instanceOf("a"), instanceOf("a", "again"), instanceOf("b")]);
    const [found] = await inquiry.ask([QUESTION]);
    expect(found?.visits.map(({ parent, ledger }) => [parent, ledger.count])).toEqual([
      ["00000000000000aa", 2],
      [null, 1],
    ]);
  });

  test("reports a service as forgotten if one of its instances, such as a pod, was removed during the run", async () => {
    let instances = [instanceOf("a"), instanceOf("b"), instanceOf("b", "removed")];
    const inquiry = new Inquiry(async () => instances);
    const before = await inquiry.ask([QUESTION]);
    instances = instances.slice(0, 2);
    const after = await inquiry.ask([QUESTION]);
    const memories = [...before, ...after].map(({ memoryOf }) => [memoryOf("a"), memoryOf("b")]);
    expect(memories).toEqual([
      ["whole", "whole"],
      ["whole", "forgotten"],
    ]);
    const [later] = await inquiry.ask([{ ...QUESTION, sinceMs: Date.now() + 60_000 }]);
    expect(later?.memoryOf("b")).toBe("whole");
  });

  test("reports a link that does not answer as silent, and a service without links as forgotten", async () => {
    const closed = { id: "c", link: "c", url: "http://127.0.0.1:1" };
    const [found] = await new Inquiry(async () => [instanceOf("a"), closed]).ask([QUESTION]);
    expect([found?.memoryOf("a"), found?.memoryOf("c"), found?.memoryOf("d"), found?.memoryOf(null)]).toEqual(
      ["whole", "silent", "forgotten", "silent"],
    );
  });
});
