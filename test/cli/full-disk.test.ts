import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCollector } from "../../src/collector/server.ts";
import { hexId, makeChain } from "../collector/spans.ts";
import { EXECUTABLE } from "../helpers/cli.ts";

const folder = mkdtempSync(join(tmpdir(), "chain-link-disk-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Mounting needs a user namespace, which not every machine gives. */
const canMount =
  process.platform === "linux" &&
  Bun.which("unshare") !== null &&
  Bun.spawnSync(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", folder]).success;

/** Runs the executable with a file on a full disk, where the file says `old`, and lists afterwards what is on the disk. */
async function runOnFullDisk(args: (file: string) => readonly string[]) {
  const disk = mkdtempSync(join(folder, "d-"));
  mkdirSync(disk, { recursive: true });
  const file = join(disk, "result");
  const script = `
    mount -t tmpfs -o size=256k tmpfs ${disk} && printf old > ${file} || exit 99
    cat /dev/zero > ${disk}/other 2>/dev/null
    "$0" "$@"; code=$?; echo; ls -A ${disk}; head -c 100 ${file}; exit $code`;
  const child = Bun.spawn(["unshare", "-rm", "sh", "-c", script, EXECUTABLE, ...args(file)], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { file, stdout, stderr, exitCode };
}

const SURVIVED = "\nother\nresult\nold";

describe.skipIf(!canMount)("on a full disk (skipped where nothing can be mounted)", () => {
  test("an export leaves only the old file, and one error line names it", async () => {
    const collector = startCollector({ host: "127.0.0.1", port: 0 });
    for (let index = 1; index <= 300; index++)
      collector.store.add(makeChain(hexId(index), 3, Date.now() - 1000));
    const { file, stdout, stderr, exitCode } = await runOnFullDisk((path) => [
      ...["traces", "export", path, "--from", collector.url],
    ]);
    await collector.stop();
    expect({ stderr, exitCode }).toEqual({
      stderr: `ERROR    cannot write ${file}: no space left on the device\n`,
      exitCode: 1,
    });
    expect(stdout).toEndWith(SURVIVED);
  });

  test.each(["--hdr", "--ledger"])("load %s leaves the old file", async (flag) => {
    await using server = Bun.serve({ port: 0, fetch: () => new Response("ok") });
    const args = ["load", server.url.href, "--requests", "20", "--rate", "200/s"];
    const { file, stdout, stderr, exitCode } = await runOnFullDisk((path) => [...args, flag, path]);
    expect({ stderr, exitCode }).toEqual({
      stderr: `ERROR    cannot write ${file}: no space left on the device\n`,
      exitCode: 1,
    });
    expect(stdout).toEndWith(SURVIVED);
    // The run was made: what it measured is not lost with the file.
    if (flag === "--hdr") expect(stdout).toContain("20 succeeded, no failures");
  });

  test.each(["--junit", "--report"])("verify %s leaves the old file and prints the result", async (flag) => {
    const args = ["verify", "--instances", "2", "--requests", "5", "--rate", "100/s"];
    const { file, stdout, stderr, exitCode } = await runOnFullDisk((path) => [...args, flag, path]);
    expect(stderr).toContain(`ERROR    cannot write ${file}: no space left on the device\n`);
    expect(stderr.match(/ERROR/g)).toHaveLength(1);
    expect(exitCode).not.toBe(0);
    expect(stdout).toEndWith(SURVIVED);
    expect(stdout).toContain("complete");
  });

  test("an unwritable config file is not left half-written", async () => {
    const { file, stdout, stderr, exitCode } = await runOnFullDisk((path) => [
      ...["generate", "-o", "json", "--config-file", `${path}.conf`],
    ]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`ERROR    cannot create ${file}.conf: no space left on the device\n`);
    expect(stdout).toEndWith(SURVIVED);
  });
});
