import { expect, test } from "bun:test";
import { startCollector } from "../../src/collector/server.ts";
import { addSpan, EMPTY_LEDGER } from "../../src/trace/ledger.ts";
import { RECORD_BYTES, readRunRecord } from "../../src/trace/ledger-record.ts";
import { newRunId, RunIds } from "../../src/trace/run.ts";
import type { Span } from "../../src/trace/span.ts";
import { makeChain, makeSpan, newTraceId } from "./spans.ts";

test("a run's ledger counts its stored spans and the discarded duplicates", async () => {
  const collector = startCollector({ host: "127.0.0.1", port: 0 });
  const ids = new RunIds(newRunId());
  const chains = [0, 1, 5].map((sequence) => makeChain(ids.traceId(sequence), 3, Date.now()));
  collector.store.add([
    ...chains.flat(),
    ...makeChain(newTraceId(), 2, 1),
    ...makeChain("ab".repeat(16), 2, 1),
  ]);
  collector.store.add((chains[1] as Span[]).slice(0, 2));
  const read = async (query: string) => {
    const response = await fetch(`${collector.url}/api/runs/${ids.runId}/ledger${query}`);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    const bytes = await response.bytes();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return Array.from({ length: bytes.length / RECORD_BYTES }, (_, index) =>
      readRunRecord(view, index * RECORD_BYTES),
    );
  };
  const expected = (chains[1] as Span[]).reduce(
    (ledger, { id, parentId = null, kind, localEndpoint }) =>
      addSpan(ledger, { id, parentId, kind, serviceName: localEndpoint?.serviceName ?? "" }),
    EMPTY_LEDGER,
  );
  const records = await read("");
  expect(records.map(({ sequence, ledger }) => [sequence, ledger?.count])).toEqual([
    [0, 5],
    [1, 5],
    [5, 5],
  ]);
  expect(records[1]?.ledger).toEqual({ ...expected, unknown: 2 });
  expect(await read("?of=copies")).toMatchObject([{ sequence: 1, ledger: { count: 0, unknown: 2 } }]);
  expect((await read("?from=1&limit=4")).map(({ sequence }) => sequence)).toEqual([1]);
  expect(await (await fetch(`${collector.url}/api/runs`)).json()).toEqual([
    { run: ids.runId, traces: 3, spans: 15 },
  ]);
  const refused = ["?from=-1", "?limit=0", "?limit=100001", "?limit=1000001&of=copies"];
  for (const path of [`xyz/ledger`, ...refused.map((query) => `${ids.runId}/ledger${query}`)])
    expect((await fetch(`${collector.url}/api/runs/${path}`)).status).toBe(400);
  await collector.stop();
});

test("a ledger longer than one chunk of the answer is complete", async () => {
  const collector = startCollector({ host: "127.0.0.1", port: 0 });
  const ids = new RunIds(newRunId());
  collector.store.add(
    Array.from({ length: 2500 }, (_, sequence) => makeSpan({ traceId: ids.traceId(sequence) })),
  );
  const bytes = await (await fetch(`${collector.url}/api/runs/${ids.runId}/ledger`)).bytes();
  const view = new DataView(bytes.buffer);
  expect(
    Array.from({ length: 2500 }, (_, index) => readRunRecord(view, index * RECORD_BYTES).sequence),
  ).toEqual(Array.from({ length: 2500 }, (_, index) => index));
  expect(bytes).toHaveLength(2500 * RECORD_BYTES);
  await collector.stop();
});

test("ledgers are read one after the other, other requests are served meanwhile, and an abandoned one ends", async () => {
  const collector = startCollector({ host: "127.0.0.1", port: 0 });
  const url = `${collector.url}/api/runs/${newRunId()}/ledger`;
  const ended: string[] = [];
  const ask = async (name: string, query: string, signal: AbortSignal | null = null) => {
    await fetch(url + query, { signal });
    ended.push(name);
  };
  const long = ask("long", "?limit=1000000&of=copies");
  const health = await fetch(`${collector.url}/health`);
  const given = new AbortController();
  const left = Array.from({ length: 50 }, () =>
    ask("left", "?limit=1000000&of=copies", given.signal).catch(() => {}),
  );
  await fetch(`${collector.url}/health`);
  const short = ask("short", "?limit=1");
  given.abort();
  await Promise.all([long, short, ...left]);
  expect(health.status).toBe(200);
  expect(ended).toEqual(["long", "short"]);
  await collector.stop();
});
