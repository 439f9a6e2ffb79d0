import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import manifest from "../../package.json";
import { temporaryFolder } from "../helpers/cli.ts";

const ROOT = join(import.meta.dir, "../..");

/** A PATH on which there is no Bun. */
const SYSTEM_PATH = "/usr/bin:/bin";

async function run(command: string[], env: Readonly<Record<string, string>> = {}, cwd = ROOT) {
  const child = Bun.spawn(command, { cwd, env: { ...process.env, ...env }, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}

describe("the packed tarball", () => {
  test.each([
    ["with install scripts", []],
    ["without install scripts", ["--ignore-scripts"]],
  ])(
    "the program installed by npm i -g %s runs without Bun on the PATH, under both names",
    async (_title, flags) => {
      using folder = temporaryFolder();
      const packed = await run(["npm", "pack", "--silent", "--pack-destination", folder.path]);
      const tarball = join(folder.path, packed.stdout.trim());
      const prefix = join(folder.path, "global");
      const installed = await run([
        "npm",
        "install",
        "-g",
        "--silent",
        ...flags,
        "--prefix",
        prefix,
        tarball,
      ]);
      expect(installed).toMatchObject({ exitCode: 0 });
      for (const name of ["chain-link", "chain-link-cli"]) {
        const { stdout, stderr } = await run(
          [join(prefix, "bin", name), "version"],
          { PATH: SYSTEM_PATH },
          folder.path,
        );
        expect({ stdout, stderr }).toEqual({ stdout: `chain-link ${manifest.version}\n`, stderr: "" });
      }
      const { exitCode, stderr } = await run(
        [
          join(prefix, "bin/chain-link"),
          "up",
          "--port",
          "0",
          "--slow",
          "off",
          "--processes",
          "--duration",
          "1s",
        ],
        { PATH: SYSTEM_PATH },
        folder.path,
      );
      expect(stderr).toContain("none dropped");
      expect(exitCode).toBe(0);
    },
    180_000,
  );

  test("the tarball contains what the program needs and no tests", async () => {
    using folder = temporaryFolder();
    await run(["npm", "pack", "--silent", "--pack-destination", folder.path]);
    const [tarball = ""] = readdirSync(folder.path);
    const { stdout } = await run(["tar", "-tzf", join(folder.path, tarball)]);
    const names = stdout.trim().split("\n");
    expect(names).toContain("package/bin/chain-link");
    expect(names).toContain("package/topology.schema.json");
    expect(names.filter((name) => /^package\/(test|bench|scripts|docs|\.)/.test(name))).toEqual([]);
  });
});

test("npx finds the program in a checkout, under both names", async () => {
  for (const name of ["chain-link", "chain-link-cli"]) {
    const { stdout } = await run(["npx", "--no", name, "version"]);
    expect(stdout).toBe(`chain-link ${manifest.version}\n`);
  }
}, 60_000);
