import { afterAll, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Collector, startCollector } from "../../../src/collector/server.ts";
import { newTraceId } from "../../../src/trace/ids.ts";
import type { Span } from "../../../src/trace/span.ts";
import { hexId, makeChain } from "../../collector/spans.ts";
import { EXECUTABLE, runCli } from "../../helpers/cli.ts";

const folder = mkdtempSync(join(tmpdir(), "chain-link-traces-"));
const collectors: Collector[] = [];
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await Promise.all(collectors.map((collector) => collector.stop()));
});

function start(): Collector {
  const collector = startCollector({ host: "127.0.0.1", port: 0 });
  collectors.push(collector);
  return collector;
}

function fill(collector: Collector, traces: number): string[] {
  const ids = Array.from({ length: traces }, newTraceId);
  for (const [index, id] of ids.entries())
    collector.store.add(makeChain(id, 3, Date.now() - 60_000 + Math.floor(index / 7)));
  return ids;
}

test("an export in Zipkin JSON of several pages is imported unchanged", async () => {
  const [from, to] = [start(), start()];
  const ids = fill(from, 1300);
  const file = join(folder, "all.json");
  const exported = await runCli(["traces", "export", file, "--from", from.url]);
  expect(exported.stderr).toContain(`1300 traces, 6500 spans written to ${file}`);
  expect(JSON.parse(readFileSync(file, "utf8"))).toHaveLength(6500);
  const imported = await runCli(["traces", "import", file, "--to", to.url]);
  expect(imported.stderr).toContain("6500 spans");
  expect(to.store.counts()).toMatchObject({ traces: 1300, spans: 6500, duplicateSpans: 0 });
  for (const id of ids.slice(0, 10)) expect(to.store.trace(id)).toEqual(from.store.trace(id) ?? []);
});

test("OTLP lines keep IDs, parents, names, times and both ends of calls", async () => {
  const [from, to] = [start(), start()];
  const [id = ""] = fill(from, 1);
  const file = join(folder, "all.jsonl");
  await runCli(["traces", "export", file, "--format", "otlp", "--from", from.url]);
  expect(readFileSync(file, "utf8").trim().split("\n")).toHaveLength(3);
  expect((await runCli(["traces", "import", file, "--to", to.url])).stderr).toContain("5 spans");
  const stored = (collector: Collector) =>
    collector.store.trace(id)?.toSorted((a, b) => (a.id < b.id ? -1 : 1)) ?? [];
  expect(stored(to)).toHaveLength(5);
  for (const [index, { tags, ...span }] of stored(from).entries())
    expect(stored(to)[index]).toMatchObject({ ...span, ...(tags !== undefined && { tags }) });
});

test("- is standard output of an export and standard input of an import", async () => {
  const [from, to] = [start(), start()];
  fill(from, 3);
  const exported = await runCli(["traces", "export", "-", "--from", from.url], { cwd: folder });
  expect(JSON.parse(exported.stdout)).toHaveLength(15);
  expect(existsSync(join(folder, "-"))).toBe(false);
  await runCli(["traces", "import", "-", "--to", to.url], { stdin: exported.stdout });
  expect(to.store.counts()).toMatchObject({ traces: 3, spans: 15 });
});

test("an export does not create a missing folder", async () => {
  const from = start();
  const place = join(folder, "absent", "t.json");
  const { exitCode, stderr } = await runCli(["traces", "export", place, "--from", from.url]);
  expect(exitCode).toBe(1);
  expect(stderr).toBe(`ERROR    cannot write ${place}: there is no folder ${join(folder, "absent")}\n`);
  expect(existsSync(join(folder, "absent"))).toBe(false);
});

test("a silent address, a missing file and a malformed file are separate errors", async () => {
  const nobody = "http://127.0.0.1:1";
  const kept = join(folder, "kept.json");
  writeFileSync(kept, "kept");
  const unreachable = await runCli(["traces", "export", kept, "--from", nobody]);
  expect(unreachable.exitCode).toBe(1);
  expect(unreachable.stderr).toContain(`${nobody} does not answer`);
  expect(readFileSync(kept, "utf8")).toBe("kept");
  expect((await runCli(["traces", "import", join(folder, "none")])).stderr).toContain(": no such file");
  expect((await runCli(["traces", "import", kept])).stderr).toContain("expected a JSON list of spans");
  expect((await runCli(["traces", "look", kept])).exitCode).toBe(2);
});

const FIXTURES = join(import.meta.dir, "../../fixtures/trace-files");

test.each([
  ["c04-otlp-pretty.json", 1],
  ["c05-zipkin-bom.json", 1],
  ["c07-zipkin-ndjson.json", 2],
  ["c09-single-span.json", 1],
  ["c10-jaeger.json", 1],
  ["c11-tempo-batches.json", 1],
  ["c13-jaeger-v3.json", 1],
  ["p01-numtag.json", 1],
])("%s is imported into a collector from a file and from standard input", async (name, spans) => {
  const to = start();
  const file = join(FIXTURES, name);
  const { stderr, exitCode } = await runCli(["traces", "import", file, "--to", to.url]);
  expect(exitCode).toBe(0);
  expect(stderr).toContain(`read from ${file}`);
  expect(stderr).toContain(`: ${spans} stored, 0 merged, 0 rejected`);
  expect(to.store.counts()).toMatchObject({ spans, duplicateSpans: 0 });
  await runCli(["traces", "import", "-", "--to", to.url], { stdin: readFileSync(file, "utf8") });
  expect(to.store.counts()).toMatchObject({ spans, duplicateSpans: spans });
});

test("a gzip file is imported, from its name and from standard input", async () => {
  const to = start();
  const file = join(folder, "t.json.gz");
  writeFileSync(file, gzipSync(JSON.stringify(makeChain(hexId(1), 2, Date.now()))));
  expect((await runCli(["traces", "import", file, "--to", to.url])).stderr).toContain("3 stored, 0 merged");
  const child = Bun.spawn([EXECUTABLE, "traces", "import", "-", "--to", to.url], {
    stdin: Bun.file(file),
    stderr: "ignore",
  });
  expect(await child.exited).toBe(0);
  expect(to.store.counts()).toMatchObject({ spans: 3, duplicateSpans: 3 });
});

test("a malformed span is skipped and counted, with exit code 1", async () => {
  const to = start();
  const { stderr, exitCode } = await runCli([
    "traces",
    "import",
    join(FIXTURES, "c29-otlp-badid.jsonl"),
    "--to",
    to.url,
  ]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("2 spans read from");
  expect(stderr).toContain("(OTLP JSON): 1 stored, 0 merged, 1 rejected\n");
  expect(stderr).toContain("ERROR    1 span rejected: a trace id is not 16 bytes\n");
  expect(to.store.counts()).toMatchObject({ spans: 1 });
});

test("a span that occurs three times in a file is stored once", async () => {
  const to = start();
  const file = join(FIXTURES, "p02-dups.json");
  const { stderr, exitCode } = await runCli(["traces", "import", file, "--to", to.url]);
  expect(exitCode).toBe(0);
  expect(stderr).toContain("3 spans read from");
  expect(stderr).toContain("1 stored, 2 merged, 0 rejected");
  expect(to.store.counts()).toMatchObject({ spans: 1, duplicateSpans: 0 });
});

test("nothing of a malformed file is sent", async () => {
  const requests: string[] = [];
  using server = Bun.serve({ port: 0, fetch: ({ url }) => new Response(requests.push(url).toString()) });
  const to = server.url.href;
  const list = JSON.stringify(Array.from({ length: 3000 }, (_, index) => makeChain(hexId(index + 1), 2, 1)));
  const files = ["", "{}", "[]", "<html>", "\0\0", list.slice(0, -1), '{"data":[]}', '{"resourceSpans":[]}'];
  for (const text of files) {
    const { stderr, exitCode } = await runCli(["traces", "import", "-", "--to", to], { stdin: text });
    expect(exitCode).toBe(1);
    expect(stderr).toStartWith(
      "ERROR    standard input: expected a JSON list of spans, or another trace file",
    );
  }
  const folderResult = await runCli(["traces", "import", folder, "--to", to]);
  expect(folderResult.stderr).toBe(`ERROR    cannot read ${folder}: it is a folder\n`);
  expect(folderResult.exitCode).toBe(1);
  expect(requests).toEqual([]);
});

test("a trace of 20,000 spans and spans with tags of 6 kB are exported and imported again, in both formats", async () => {
  const from = start();
  const [wide, heavy] = [hexId(0xa), hexId(0xb)];
  const startUs = (Date.now() - 60_000) * 1000;
  const common = { kind: "SERVER", duration: 5, localEndpoint: { serviceName: "s" } } as const;
  const spans = Array.from({ length: 20_000 }, (_, index) => ({
    ...common,
    traceId: wide,
    id: hexId(index + 1),
    timestamp: startUs + index,
  }));
  for (let at = 0; at < spans.length; at += 1000) from.store.add(spans.slice(at, at + 1000));
  const tags = { large: "x".repeat(6000) };
  from.store.add(
    Array.from({ length: 1800 }, (_, index) => ({
      ...common,
      traceId: heavy,
      id: hexId(index + 1),
      timestamp: startUs,
      tags,
    })),
  );
  for (const format of ["zipkin", "otlp"]) {
    const file = join(folder, `large.${format}`);
    const exported = await runCli(["traces", "export", file, "--format", format, "--from", from.url]);
    expect(exported.stderr).toContain("2 traces, 21800 spans written");
    const to = start();
    const imported = await runCli(["traces", "import", file, "--to", to.url]);
    expect(imported.stderr).toContain("21800 stored, 0 merged, 0 rejected");
    expect(to.store.counts()).toMatchObject({ traces: 2, spans: 21_800 });
    expect(to.store.trace(heavy)?.[7]).toEqual(from.store.trace(heavy)?.[7] as Span);
  }
});

test("an OTLP receiver accepts an import, and its rejected spans are counted with its reason", async () => {
  const bodies: OtlpBody[] = [];
  using server = Bun.serve({
    port: 0,
    async fetch(request) {
      if (new URL(request.url).pathname !== "/v1/traces") return new Response("no", { status: 404 });
      bodies.push((await request.json()) as OtlpBody);
      return Response.json({ partialSuccess: { rejectedSpans: "2", errorMessage: "too old" } });
    },
  });
  const spans = makeChain(hexId(9), 3, Date.now());
  const { stderr, exitCode } = await runCli(["traces", "import", "-", "--to", server.url.href], {
    stdin: JSON.stringify(spans),
  });
  expect(exitCode).toBe(1);
  expect(stderr).toContain("3 stored, 0 merged, 2 rejected");
  expect(stderr).toContain(`ERROR    2 spans rejected by ${server.url.origin}: too old`);
  const [{ resourceSpans = [] } = {}] = bodies;
  expect(resourceSpans.map(({ resource }) => resource.attributes[0]?.value.stringValue)).toEqual([
    "chain-link-service-0",
    "chain-link-service-1",
    "chain-link-service-2",
  ]);
});

interface OtlpBody {
  readonly resourceSpans: { resource: { attributes: { value: { stringValue: string } }[] } }[];
}

test("an import that fails halfway says how many spans were stored", async () => {
  let requests = 0;
  using server = Bun.serve({
    port: 0,
    fetch: () =>
      ++requests === 3 ? new Response("disk full", { status: 503 }) : new Response(null, { status: 202 }),
  });
  const spans = Array.from({ length: 5001 }, (_, index) => ({ traceId: "a", id: hexId(index + 1) }));
  const { stderr, exitCode } = await runCli(["traces", "import", "-", "--to", server.url.href], {
    stdin: JSON.stringify(spans),
  });
  expect(exitCode).toBe(1);
  expect(stderr).toBe(
    `ERROR    ${server.url.origin} answers 503: disk full; 4000 of 5001 spans of standard input were stored before that\n`,
  );
});

test("Ctrl-C during an import waits for the batch in flight and says how many spans were stored", async () => {
  const { promise: isAsked, resolve: ask } = Promise.withResolvers<void>();
  const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<void>();
  let requests = 0;
  using server = Bun.serve({
    port: 0,
    async fetch() {
      if (++requests === 2) {
        ask();
        await mayAnswer;
      }
      return new Response(null, { status: 202 });
    },
  });
  const spans = Array.from({ length: 5001 }, (_, index) => ({ traceId: "a", id: hexId(index + 1) }));
  const child = Bun.spawn([EXECUTABLE, "traces", "import", "-", "--to", server.url.href], {
    stdin: Buffer.from(JSON.stringify(spans)),
    stderr: "pipe",
  });
  await isAsked;
  child.kill("SIGINT");
  // The signal is on its way before the answer.
  await Bun.sleep(100);
  answer();
  expect(await child.exited).toBe(130);
  expect(await child.stderr.text()).toContain("ERROR    interrupted: 4000 of 5001 spans were stored\n");
  expect(requests).toBe(2);
});

test("a receiver with a lower limit gets smaller batches", async () => {
  let stored = 0;
  using server = Bun.serve({
    port: 0,
    async fetch(request) {
      const spans = (await request.json()) as Span[];
      if (spans.length > 300) return new Response("too large", { status: 413 });
      stored += spans.length;
      return new Response(null, { status: 202 });
    },
  });
  const spans = Array.from({ length: 2500 }, (_, index) => ({ traceId: "a", id: hexId(index + 1) }));
  const to = `${server.url.href}api/v2/spans`;
  const { stderr } = await runCli(["traces", "import", "-", "--to", to], { stdin: JSON.stringify(spans) });
  expect(stderr).toContain("2500 stored");
  expect(stored).toBe(2500);
});

test.each([
  [
    "a page for people",
    () => new Response("<html>", { headers: { "Content-Type": "text/html; charset=utf-8" } }),
    "200",
  ],
  ["a redirect", () => new Response(null, { status: 302, headers: { Location: "/zipkin/" } }), "302"],
])("%s does not count as stored spans", async (_, answer, status) => {
  using server = Bun.serve({ port: 0, fetch: answer });
  const { stderr, exitCode } = await runCli(["traces", "import", "-", "--to", server.url.href], {
    stdin: '{"traceId":"1","id":"2"}',
  });
  expect(exitCode).toBe(1);
  expect(stderr).toContain(`${server.url.origin} answers ${status}`);
});

test.each([1, 499, 500, 501, 1200])(
  "%d traces that start in the same millisecond are all exported",
  async (count) => {
    const from = start();
    const startMs = Date.now() - 60_000;
    const ids = Array.from({ length: count }, (_, index) => hexId(index + 1));
    from.store.add(
      ids.map((traceId) => ({ traceId, id: hexId(1), timestamp: startMs * 1000 + 7, duration: 1 })),
    );
    // One at each side, so that the windows have to end there.
    for (const [id, offset] of [
      [0x9001, -1],
      [0x9002, 1],
    ] as const)
      from.store.add([
        { traceId: hexId(id), id: hexId(1), timestamp: (startMs + offset) * 1000, duration: 1 },
      ]);
    const { stdout } = await runCli(["traces", "export", "-", "--from", from.url]);
    const exported = (JSON.parse(stdout) as Span[]).map(({ traceId }) => traceId);
    expect(exported.toSorted()).toEqual([...ids, hexId(0x9001), hexId(0x9002)].toSorted());
    expect([exported[0], exported.at(-1)]).toEqual([hexId(0x9002), hexId(0x9001)]);
  },
);

test("overlapping long traces are all exported, whichever ones the backend prefers", async () => {
  // As Zipkin: the traces with the latest spans come first, while windows are compared with roots.
  const traces = Array.from({ length: 900 }, (_, index) => {
    const root = Date.now() - 3_600_000 + index * 1000;
    const traceId = hexId(index + 1);
    const last = root + ((index * 7919) % 900) * 4000;
    return [
      { traceId, id: hexId(1), timestamp: root * 1000 },
      { traceId, id: hexId(2), parentId: hexId(1), timestamp: last * 1000 },
    ];
  });
  const lastOf = (trace: Span[]) => Math.max(...trace.map(({ timestamp = 0 }) => timestamp));
  using server = Bun.serve({
    port: 0,
    fetch({ url }) {
      const query = new URL(url).searchParams;
      const [end, lookback, limit] = ["endTs", "lookback", "limit"].map(
        (key) => Number(query.get(key)) * 1000,
      );
      const found = traces.filter(
        ([root]) =>
          (root?.timestamp ?? 0) <= (end ?? 0) && (root?.timestamp ?? 0) >= (end ?? 0) - (lookback ?? 0),
      );
      return Response.json(found.sort((a, b) => lastOf(b) - lastOf(a)).slice(0, (limit ?? 0) / 1000));
    },
  });
  const { stdout, stderr } = await runCli(["traces", "export", "-", "--from", server.url.href]);
  expect(stderr).toContain("900 traces, 1800 spans");
  expect(new Set((JSON.parse(stdout) as Span[]).map(({ traceId }) => traceId)).size).toBe(900);
});

test("--limit exports the newest traces", async () => {
  const from = start();
  const ids = fill(from, 40);
  const { stdout } = await runCli(["traces", "export", "-", "--limit", "15", "--from", from.url]);
  const exported = new Set((JSON.parse(stdout) as Span[]).map(({ traceId }) => traceId));
  // Seven traces start in each millisecond: the last five whole ones, or some of them.
  expect(exported.size).toBe(15);
  expect(ids.slice(0, 21).some((id) => exported.has(id))).toBe(false);
});

test("an export that fails midway leaves only the old file, and prints one error line", async () => {
  let requests = 0;
  using server = Bun.serve({
    port: 0,
    fetch: () => (++requests > 1 ? new Response("gone", { status: 500 }) : Response.json(makeTraces(20))),
  });
  const place = join(folder, "kept");
  mkdirSync(place);
  const file = join(place, "run.json");
  writeFileSync(file, "old");
  const { stderr, exitCode } = await runCli(["traces", "export", file, "--from", server.url.href]);
  expect(exitCode).toBe(1);
  expect(stderr).toBe(`ERROR    ${server.url.origin} answers 500: gone\n`);
  expect(readFileSync(file, "utf8")).toBe("old");
  expect(readdirSync(place)).toEqual(["run.json"]);
});

test("Ctrl-C during an export leaves only the old file", async () => {
  const { promise: isAsked, resolve: ask } = Promise.withResolvers<void>();
  let requests = 0;
  using server = Bun.serve({
    port: 0,
    fetch() {
      if (++requests === 1) return Response.json(makeTraces(20));
      ask();
      return new Promise<Response>(() => {});
    },
  });
  const place = join(folder, "interrupted");
  mkdirSync(place);
  writeFileSync(join(place, "run.json"), "old");
  const args = ["traces", "export", join(place, "run.json"), "--from", server.url.href];
  const child = Bun.spawn([EXECUTABLE, ...args], { stdout: "pipe", stderr: "pipe" });
  await isAsked;
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  expect(await child.stderr.text()).toBe("");
  expect(readFileSync(join(place, "run.json"), "utf8")).toBe("old");
  expect(readdirSync(place)).toEqual(["run.json"]);
});

function makeTraces(count: number): Span[][] {
  return Array.from({ length: count }, (_, index) => makeChain(hexId(index + 1), 2, Date.now()));
}

test("a flag of the other action is refused", async () => {
  const imported = await runCli(["traces", "import", "t.json", "--format", "otlp"]);
  expect(imported.exitCode).toBe(2);
  expect(imported.stderr).toContain("--format is a flag of traces export, not of import");
  const exported = await runCli(["traces", "export", "t.json", "--to", "http://127.0.0.1:1"]);
  expect(exported.exitCode).toBe(2);
  expect(exported.stderr).toContain("--to is a flag of traces import, not of export");
});

test("traces too large for one response are exported in several; those of one millisecond are an error", async () => {
  let most = 2;
  const start = Date.now() - 1000;
  const times = [start, start + 10, start + 10, start + 20];
  const spans = times.map((ms, index) => ({ traceId: hexId(index + 1), id: hexId(1), timestamp: ms * 1000 }));
  // An answer of more traces is said to be larger than it may be, as if each were of 12 MiB.
  const tooLarge = new Uint8Array(33 * 1024 * 1024);
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { searchParams: query } = new URL(request.url);
      const [endTs, lookback] = [Number(query.get("endTs")), Number(query.get("lookback"))];
      const found = spans.filter((_, index) => {
        const ms = times[index] as number;
        return ms >= endTs - lookback && ms <= endTs;
      });
      const traces = found.slice(0, Number(query.get("limit"))).map((span) => [span]);
      return traces.length > most ? new Response(tooLarge) : Response.json(traces);
    },
  });
  const file = join(folder, "large.json");
  const args = ["traces", "export", file, "--from", server.url.href, "--lookback", "1m"];
  expect(await runCli(args)).toMatchObject({
    exitCode: 0,
    stderr: expect.stringContaining("4 traces, 4 spans"),
  });
  const before = readFileSync(file, "utf8");
  most = 1;
  const failed = await runCli(args);
  expect(failed.exitCode).toBe(1);
  expect(failed.stderr).toContain(
    "answers with more than 32 MiB for traces that start in the same millisecond",
  );
  expect(failed.stderr).toContain("--service, --query or a shorter --lookback");
  expect(readFileSync(file, "utf8")).toBe(before);
  await server.stop(true);
});
