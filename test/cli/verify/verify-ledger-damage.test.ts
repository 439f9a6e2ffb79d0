import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SEALED_BYTES } from "../../../src/trace/ledger-file.ts";
import {
  EXECUTABLE,
  eventually,
  type RunningUp,
  runCli,
  startUp,
  temporaryFolder,
} from "../../helpers/cli.ts";

const folder = temporaryFolder();
const whole = join(folder.path, "whole.ledger");
let up: RunningUp;

beforeAll(async () => {
  up = await startUp(["--port", "0", "--instances", "2", "--slow", "off", "--no-load"]);
  const sent = await runCli([
    "load",
    up.facts.entry,
    "--rate",
    "200/s",
    "--requests",
    "20",
    "--ledger",
    whole,
  ]);
  expect(sent.exitCode).toBe(0);
});

afterAll(async () => {
  up.signal("SIGTERM");
  await up.exited;
  folder[Symbol.dispose]();
});

function judge(ledger: string) {
  const backend = `collector=${up.facts.collector}`;
  return runCli(["verify", "--run", ledger, "--backend", backend, "-o", "json"]);
}

/** Judges a changed copy of the whole ledger. */
async function judgeChanged(change: (bytes: Buffer) => Buffer) {
  const file = join(folder.path, "changed.ledger");
  writeFileSync(file, change(readFileSync(whole)));
  return judge(file);
}

describe("verify --run", () => {
  test("judges a whole ledger complete", async () => {
    const { exitCode, stdout } = await judge(whole);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: "complete", requests: 20, doubt: null });
    expect(exitCode).toBe(0);
  });

  test.each([1, SEALED_BYTES, SEALED_BYTES + 1, 5 * SEALED_BYTES])(
    "never says complete for a ledger that lacks its last %i bytes",
    async (bytes) => {
      const { exitCode, stdout, stderr } = await judgeChanged((ledger) => ledger.subarray(0, -bytes));
      const result = JSON.parse(stdout);
      expect(result.outcome).toBe("could-not-tell");
      expect(result.doubt).toContain("changed.ledger is incomplete");
      expect(result.requests).toBe(20 + 1 - Math.ceil(bytes / SEALED_BYTES));
      expect(stderr).toContain("changed.ledger is incomplete");
      expect(exitCode).toBe(3);
    },
  );

  test("refuses a ledger with a flipped bit: exit 3", async () => {
    const { exitCode, stdout, stderr } = await judgeChanged((bytes) => {
      const at = bytes.indexOf(10) + 1 + 3 * SEALED_BYTES + 3;
      bytes[at] = (bytes[at] as number) ^ 0x80;
      return bytes;
    });
    expect(stderr).toContain("changed.ledger is damaged: record 4 does not match its checksum");
    expect([stdout, exitCode]).toEqual(["", 3]);
  });

  test("refuses two ledgers in one file: exit 3", async () => {
    const { exitCode, stderr } = await judgeChanged((bytes) => Buffer.concat([bytes, bytes]));
    expect(stderr).toContain("changed.ledger contains more than one ledger");
    expect(exitCode).toBe(3);
  });

  test("says that the ledger of a killed load is incomplete, at once", async () => {
    const file = join(folder.path, "killed.ledger");
    const load = Bun.spawn([EXECUTABLE, "load", up.facts.entry, "--rate", "50/s", "--ledger", file], {
      stdout: "ignore",
      stderr: "ignore",
    });
    await eventually(() => (Bun.file(file).size > 10 * SEALED_BYTES ? true : undefined));
    load.kill("SIGKILL");
    await load.exited;
    const { exitCode, stdout } = await judge(file);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: "could-not-tell" });
    expect(JSON.parse(stdout).doubt).toContain("has no end marker");
    expect(exitCode).toBe(3);
  });

  test("judges the ledger of an interrupted load, which has its end marker", async () => {
    const file = join(folder.path, "interrupted.ledger");
    const load = Bun.spawn([EXECUTABLE, "load", up.facts.entry, "--rate", "50/s", "--ledger", file], {
      stdout: "ignore",
      stderr: "ignore",
    });
    await eventually(() => (Bun.file(file).size > 10 * SEALED_BYTES ? true : undefined));
    load.kill("SIGINT");
    await load.exited;
    const { exitCode, stdout } = await judge(file);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: "complete", doubt: null });
    expect(exitCode).toBe(0);
  });
});
