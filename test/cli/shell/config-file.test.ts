import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCli, temporaryFolder } from "../../helpers/cli.ts";

const DEFAULT_PATH = ".config/chain-link/chain-link-cli.conf";

/** `generate -o json` touches nothing but the configuration file. */
function generate(home: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return runCli([...args, "generate", "-o", "json"], { env: { HOME: home, ...env } });
}

function instancesIn(stdout: string): number {
  const { items } = JSON.parse(stdout) as { items: { kind: string; metadata: { name: string } }[] };
  return items.filter(({ kind, metadata }) => kind === "Deployment" && metadata.name !== "zipkin-deployment")
    .length;
}

describe("the first run", () => {
  test("creates the file from its flags and the defaults, in the original's format and log lines", async () => {
    using home = temporaryFolder();
    const { exitCode, stderr } = await generate(home.path, ["--instances", "4", "--namespace", "two"], {
      CHAIN_LINK_SLEEP_TIME: "5",
    });
    expect(exitCode).toBe(0);
    expect(stderr.split("\n").slice(0, 2)).toEqual([
      "WARNING  Config file does not exist, creating one now",
      `INFO     Created config file: ~/${DEFAULT_PATH}`,
    ]);
    expect(readFileSync(join(home.path, DEFAULT_PATH), "utf8")).toMatch(
      /^\[DEFAULT\]\ninstances = 4\nnamespace = two\nsleep_time = 60\n\n$/,
    );
  });

  test("stores an image only if it was given", async () => {
    using home = temporaryFolder();
    await generate(home.path, ["--chain-link-image", "registry.example/mine:1"]);
    expect(readFileSync(join(home.path, DEFAULT_PATH), "utf8")).toContain(
      "\nchain_link_image = registry.example/mine:1\n",
    );
  });

  test.each([
    ["a deploy that fails", ["deploy", "-n", "prod"]],
    ["a history that fails", ["history", "-n", "prod"]],
    ["a page of another backend", ["page", "--backend", "zipkin=nonsense"]],
  ])("of %s leaves no file", async (_, args) => {
    using home = temporaryFolder();
    const { exitCode } = await runCli(
      [...args, ...(args[0] === "page" ? [] : ["--kubeconfig", "/nowhere"])],
      {
        env: { HOME: home.path },
      },
    );
    expect(exitCode).not.toBe(0);
    expect(existsSync(join(home.path, DEFAULT_PATH))).toBe(false);
  });

  test("with invalid flags creates no file", async () => {
    using home = temporaryFolder();
    expect((await generate(home.path, ["--instances", "no"])).exitCode).toBe(2);
    expect(existsSync(join(home.path, ".config"))).toBe(false);
  });

  test("that cannot create the default file continues without it", async () => {
    using home = temporaryFolder();
    symlinkSync(join(home.path, "nowhere"), join(home.path, ".config"));
    const { exitCode, stdout, stderr } = await generate(home.path, []);
    expect(exitCode).toBe(0);
    expect(instancesIn(stdout)).toBe(3);
    expect(stderr).toMatch(/^WARNING {2}cannot create ~\/.*; continuing without it$/m);
  });

  test("that cannot create a requested file fails", async () => {
    using home = temporaryFolder();
    symlinkSync(join(home.path, "nowhere"), join(home.path, "file"));
    const { exitCode, stderr, stdout } = await generate(home.path, [
      "--config-file",
      join(home.path, "file/x.conf"),
    ]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toContain(`cannot create ${home.path}/file/x.conf`);
    expect(stderr).toContain("--config-file");
  });
});

describe("an existing file", () => {
  test("is named, used and never written; flags beat the environment, which beats the file, which beats defaults", async () => {
    using home = temporaryFolder();
    const path = join(home.path, "c.conf");
    const text = "# mine\n[DEFAULT]\nInstances: 6\n";
    writeFileSync(path, text);
    chmodSync(path, 0o444);
    const at = ["--config-file", path];
    const fromFile = await generate(home.path, at);
    expect(fromFile.stderr).toStartWith(`WARNING  Using existing config file: ${path}\n`);
    expect(instancesIn(fromFile.stdout)).toBe(6);
    expect(instancesIn((await generate(home.path, at, { CHAIN_LINK_INSTANCES: "7" })).stdout)).toBe(7);
    expect(
      instancesIn(
        (await generate(home.path, [...at, "--instances", "8"], { CHAIN_LINK_INSTANCES: "7" })).stdout,
      ),
    ).toBe(8);
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  test("--info shows each value and its source", async () => {
    using home = temporaryFolder();
    const path = join(home.path, "c.conf");
    writeFileSync(path, "[DEFAULT]\ninstances = 6\n");
    const { stderr } = await generate(home.path, ["--config-file", path, "--namespace", "n1", "--info"], {
      CHAIN_LINK_SLEEP_TIME: "9",
    });
    expect(stderr).toMatch(/^SETTING +VALUE +FROM$/m);
    expect(stderr).toMatch(new RegExp(`^instances +6 +${path}: instances$`, "m"));
    expect(stderr).toMatch(/^namespace +n1 +--namespace$/m);
    expect(stderr).toMatch(/^sleep-time +9 +CHAIN_LINK_SLEEP_TIME$/m);
    expect(stderr).toMatch(/^slow +on +default$/m);
  });

  test("may be empty, and have other sections and unknown keys, which get a warning", async () => {
    using home = temporaryFolder();
    const path = join(home.path, "c.conf");
    writeFileSync(path, "");
    expect(instancesIn((await generate(home.path, ["--config-file", path])).stdout)).toBe(3);
    writeFileSync(path, "[other]\ninstances = many\n[DEFAULT]\ninstance = 5\n");
    const { exitCode, stderr, stdout } = await generate(home.path, ["--config-file", path]);
    expect(exitCode).toBe(0);
    expect(instancesIn(stdout)).toBe(3);
    expect(stderr).toContain(`WARNING  ${path}:4: unknown key instance (did you mean instances?)`);
  });

  test.each([
    ["instances = 3\n", ":1: expected the section header [DEFAULT] first"],
    ["[DEFAULT]\ninstances\n", ':2: expected a line "key = value", found "instances"'],
    [
      "[DEFAULT]\ninstances = 3\n\ninstances = 4\n",
      ":4: expected each key once (instances is in line 2 already)",
    ],
    ["[DEFAULT]\ninstances = many\n", ': instances: expected a whole number from 1 to 100000, found "many"'],
    [
      "[DEFAULT]\nnamespace = A b\n",
      ': namespace: expected a namespace: lower-case letters, digits and -, at most 63 characters, found "A b"',
    ],
  ])("that is malformed is an error with its line, and is left unchanged: %j", async (text, message) => {
    using home = temporaryFolder();
    const path = join(home.path, "c.conf");
    writeFileSync(path, text);
    const { exitCode, stdout, stderr } = await generate(home.path, ["--config-file", path]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toContain(path + message);
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  test("a folder in its place is an error", async () => {
    using home = temporaryFolder();
    const { exitCode, stderr } = await generate(home.path, ["--config-file", home.path]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${home.path} cannot be read`);
  });
});
