import { expect, test } from "bun:test";
import { join } from "node:path";
import { readLedger, readLedgerSince } from "../../../src/cli/verify/verify-ledger.ts";
import { KEPT_RECORDS, RunLedgerWriter } from "../../../src/load/run-ledger-writer.ts";
import { startRunServer } from "../../../src/load/run-server.ts";
import type { LedgerRecord } from "../../../src/trace/ledger-record.ts";
import { runCli, temporaryFolder } from "../../helpers/cli.ts";

const RECORD: LedgerRecord = {
  sequence: 0,
  endMs: 0,
  status: 200,
  ledger: { count: 1, high: 0, low: 0, unknown: 0 },
  isSampled: true,
  isBroken: false,
};

/** A load generator's ledger of requests of which one ended each second until now, served as `load --serve` does. */
function serve(records: number) {
  const startMs = Date.now() - records * 1000;
  const header = { run: "9f86d081884c7d65", startMs, url: "http://localhost" };
  const ledger = new RunLedgerWriter({ header, file: null, isKept: true });
  for (let sequence = 0; sequence < records; sequence++) {
    ledger.add({ ...RECORD, sequence, endMs: sequence * 1000 });
  }
  const server = startRunServer({ host: "127.0.0.1", port: 0, load: () => null, ledger });
  return {
    source: { name: "loadgenerator", url: `http://127.0.0.1:${server.port}`, fetch },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

test("a ledger is read from some record on, with the state of its run", async () => {
  await using it = serve(10);
  const part = await readLedger(it.source, 7);
  expect(part).toMatchObject({ firstKept: 0, isOver: false, missed: 0 });
  expect(Math.abs(part.aheadMs)).toBeLessThan(60_000);
  expect(part.ledger.size).toBe(3);
  expect(part.ledger.sequence(0)).toBe(7);
  const ledger = (await readLedger(it.source, 0)).ledger;
  ledger.append((await readLedger(it.source, 8)).ledger);
  expect([ledger.size, ledger.sequence(11)]).toEqual([12, 9]);
});

test("--since judges only recent requests", async () => {
  await using it = serve(3600);
  expect((await readLedgerSince(it.source, null)).ledger.size).toBe(3600);
  const { ledger } = await readLedgerSince(it.source, 60_500);
  expect(ledger.size).toBeWithin(55, 61);
  expect(ledger.sequence(ledger.size - 1)).toBe(3599);
});

test("a ledger whose first records were evicted is complete only for later requests", async () => {
  await using it = serve(KEPT_RECORDS + 1);
  await expect(readLedgerSince(it.source, null)).rejects.toThrow("evicted the first 4096 records");
  expect((await readLedgerSince(it.source, 60_500)).ledger.size).toBeWithin(50, 61);
  await expect(readLedgerSince(it.source, 2 ** 40)).rejects.toThrow("evicted the first");
}, 30_000);

test("a run ID without --release, and a release without a cluster, are errors: exit 3", async () => {
  using folder = temporaryFolder();
  const lone = await runCli(["verify", "--run", "9f86d081884c7d65"], { cwd: folder.path });
  expect(lone.stderr).toContain("add --release");
  expect(lone.exitCode).toBe(3);
  const kubeconfig = join(folder.path, "none");
  const away = await runCli(["verify", "--release", "shop", "--kubeconfig", kubeconfig]);
  expect(away.stderr).toContain(kubeconfig);
  expect(away.exitCode).toBe(3);
});
