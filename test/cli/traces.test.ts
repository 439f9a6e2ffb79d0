import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import { newTraceId } from "../../src/trace/ids.ts";
import { makeChain } from "../collector/spans.ts";
import { runCli } from "../helpers/cli.ts";

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

test("what was exported as Zipkin JSON is imported as it was, over several pages", async () => {
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

test("OTLP lines keep ids, parents, names, times and both ends of calls", async () => {
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

test("a folder that is not there is not made", async () => {
  const from = start();
  const place = join(folder, "absent", "t.json");
  const { exitCode, stderr } = await runCli(["traces", "export", place, "--from", from.url]);
  expect(exitCode).toBe(1);
  expect(stderr).toBe(`ERROR    cannot write ${place}: there is no folder ${join(folder, "absent")}\n`);
  expect(existsSync(join(folder, "absent"))).toBe(false);
});

test("an address where nobody listens, a file that is not there or is no list: each is told", async () => {
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

test("a flag of the other direction is refused", async () => {
  const imported = await runCli(["traces", "import", "t.json", "--format", "otlp"]);
  expect(imported.exitCode).toBe(2);
  expect(imported.stderr).toContain("--format is a flag of traces export, not of import");
  const exported = await runCli(["traces", "export", "t.json", "--to", "http://127.0.0.1:1"]);
  expect(exported.exitCode).toBe(2);
  expect(exported.stderr).toContain("--to is a flag of traces import, not of export");
});
