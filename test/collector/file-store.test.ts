import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StoreFullError } from "../../src/collector/database.ts";
import { SpanStore } from "../../src/collector/span-store.ts";
import { UserError } from "../../src/lib/errors.ts";
import { hexId, makeChain, makeSpan, newTraceId } from "./spans.ts";
import { describeTraceStore } from "./store-contract.ts";

const folder = mkdtempSync(join(tmpdir(), "chain-link-store-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newFile = () => join(folder, `${files++}.db`);
const EVERYTHING = { endTs: 1e14, lookback: 1e14, limit: 1000 };

function failure(open: () => unknown): UserError {
  try {
    open();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  }
  throw new Error("it opened");
}

const opened: SpanStore[] = [];
describeTraceStore(
  "SpanStore in a file",
  (maxSpans) => {
    for (const store of opened.splice(0)) store.close();
    const store = new SpanStore({ file: newFile(), maxSpans, maxBytes: maxSpans * 2048 });
    opened.push(store);
    return store;
  },
  100,
);

test("a reopened file still has its spans and names, and still recognizes duplicates", () => {
  const file = newFile();
  const chains = Array.from({ length: 50 }, (_, index) => makeChain(newTraceId(), 4, 1000 + index));
  const store = new SpanStore({ file });
  for (const chain of chains) store.add(chain);
  const before = [store.traces(EVERYTHING), store.services(), store.spanNames("chain-link-service-1")];
  store.close();
  const again = new SpanStore({ file });
  expect([again.traces(EVERYTHING), again.services(), again.spanNames("chain-link-service-1")]).toEqual(
    before,
  );
  again.add(chains.flat());
  expect(again.counts()).toMatchObject({ spans: 350, duplicateSpans: 350 });
  again.close();
});

test("a file above its limits loses its oldest traces when it is opened", () => {
  const file = newFile();
  const store = new SpanStore({ file });
  for (let trace = 1; trace <= 9; trace++) store.add([makeSpan({ traceId: hexId(trace), timestamp: trace })]);
  store.close();
  const again = new SpanStore({ file, maxSpans: 3 });
  expect(again.traces(EVERYTHING).map(([span]) => span?.traceId)).toEqual([9, 8, 7].map(hexId));
  again.close();
});

test("a second store on the same file is refused, and the first is not disturbed", () => {
  const file = newFile();
  const store = new SpanStore({ file });
  store.add([makeSpan()]);
  const error = failure(() => new SpanStore({ file }));
  expect(error.code).toBe("data-busy");
  expect(error.message).toBe(`${file} is used by another process.`);
  store.add([makeSpan({ id: hexId(2) })]);
  expect(store.trace(hexId(1))).toHaveLength(2);
  store.close();
});

test("a file in another format is refused and left unchanged", async () => {
  const file = newFile();
  writeFileSync(file, "not a database, but long enough to be looked at as one".repeat(100));
  expect(failure(() => new SpanStore({ file })).code).toBe("data-invalid");
  expect(await Bun.file(file).text()).toStartWith("not a database");
  expect(failure(() => new SpanStore({ file: folder })).code).toBe("file-unwritable");
  expect(failure(() => new SpanStore({ file: "/no/such/folder/x.db" })).code).toBe("file-unwritable");
});

test("after kill -9 no acknowledged span is missing, and the file opens without repair", async () => {
  const writer = join(import.meta.dir, "../fixtures/collector/write-spans.ts");
  const file = newFile();
  const stored: { readonly first: number; readonly last: number }[] = [];
  for (let round = 0; round < 4; round++) {
    // New numbers, because the trace that was being stored when the kill came may not have been acknowledged.
    const first = round * 1_000_000 + 1;
    const child = Bun.spawn([process.execPath, writer, file, String(first)], { stdout: "pipe" });
    let text = "";
    for await (const chunk of child.stdout) {
      text += new TextDecoder().decode(chunk);
      // At a moment that the writer cannot know.
      if (text.length > 500 * (round + 1)) child.kill("SIGKILL");
    }
    await child.exited;
    const last = Number(text.slice(0, text.lastIndexOf("\n")).split("\n").at(-1));
    expect(last).toBeGreaterThanOrEqual(first);
    stored.push({ first, last });
    const store = new SpanStore({ file });
    for (const acknowledged of stored) {
      for (let trace = acknowledged.first; trace <= acknowledged.last; trace++)
        expect(store.trace(hexId(trace))).toHaveLength(5);
    }
    store.close();
  }
});

test("on a full disk no batch is half stored, queries work, and storing resumes when there is room", async () => {
  const mount = join(folder, "full");
  const limited = Bun.spawnSync([
    "sh",
    "-c",
    `mkdir ${mount} && mount -t tmpfs -o size=2m tmpfs ${mount} 2>/dev/null`,
  ]);
  if (limited.exitCode !== 0) {
    process.stderr.write("skipped: no small disk may be mounted here\n");
    return;
  }
  try {
    const ballast = join(mount, "ballast");
    const store = new SpanStore({ file: join(mount, "spans.db") });
    writeFileSync(ballast, "x".repeat(1024 * 1024));
    let stored = 0;
    let error: unknown;
    while (error === undefined) {
      try {
        store.add(makeChain(hexId(stored + 1), 100, 1000 + stored));
        stored++;
      } catch (caught) {
        error = caught;
      }
    }
    expect(error).toBeInstanceOf(StoreFullError);
    expect(store.counts()).toMatchObject({ traces: stored, spans: stored * 199, duplicateSpans: 0 });
    expect(store.trace(hexId(stored + 1))).toBeUndefined();
    expect(store.trace(hexId(stored))).toHaveLength(199);
    rmSync(ballast);
    store.add(makeChain(hexId(stored + 1), 100, 1000 + stored));
    expect(store.trace(hexId(stored + 1))).toHaveLength(199);
    expect(store.counts()).toMatchObject({ traces: stored + 1, duplicateSpans: 0 });
    store.close();
    const again = new SpanStore({ file: join(mount, "spans.db") });
    expect(again.counts().traces).toBe(stored + 1);
    again.close();
  } finally {
    Bun.spawnSync(["umount", mount]);
  }
});

test("traces older than the retention are evicted", () => {
  const store = new SpanStore({ retentionMs: 60_000 });
  store.add(makeChain(hexId(1), 1, Date.now() - 90_000));
  store.add([...makeChain(hexId(2), 1, Date.now() - 1000), makeSpan({ traceId: hexId(3) })]);
  expect(store.counts()).toMatchObject({ traces: 2, evictedSpans: 1 });
});

test("without strict ids, traces with the same last 16 digits are one, also in a file written with strict ids", () => {
  const file = newFile();
  const short = "00000000000000ab";
  const spans = [
    makeSpan({ traceId: short, id: hexId(1) }),
    makeSpan({ traceId: hexId(7) + short, id: hexId(2) }),
  ];
  const strict = new SpanStore({ file });
  strict.add(spans);
  expect(strict.counts().traces).toBe(2);
  strict.close();
  for (let round = 0; round < 2; round++) {
    const loose = new SpanStore({ file, strictTraceId: false });
    expect(loose.trace(hexId(9) + short)).toHaveLength(2);
    loose.close();
  }
});

test("without strict ids, spans keep their own trace ids, also within one commit", () => {
  const store = new SpanStore({ strictTraceId: false });
  const ids = [hexId(5), hexId(7) + hexId(5), hexId(8) + hexId(5)];
  const spans = ids.map((traceId, index) =>
    makeSpan({ traceId, id: hexId(index + 1), timestamp: 9 - index }),
  );
  store.add(spans.slice(0, 2));
  store.add(spans);
  expect(store.trace(hexId(5))?.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(spans);
  expect(store.traces(EVERYTHING)).toHaveLength(1);
  expect(store.counts()).toMatchObject({ traces: 1, spans: 3, duplicateSpans: 2 });
});
