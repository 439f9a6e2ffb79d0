import { describe, expect, test } from "bun:test";
import { COMMANDS } from "../../src/cli/commands.ts";
import { RELEASE_FLAGS } from "../../src/cli/common/release-flags.ts";
import { loadCommands } from "../../src/cli/shell/command.ts";
import { runCli } from "../helpers/cli.ts";

const commands = (await loadCommands(COMMANDS)).filter((it) => !it.isHidden);

describe("a command accepts only flags that have an effect", () => {
  test.each([["rollback"], ["status"], ["history"], ["delete"], ["page"]])(
    "%s has none of the flags that describe a release but its namespace",
    (name) => {
      const flags = Object.keys(commands.find((it) => it.name === name)?.flags ?? {});
      expect(flags.filter((flag) => flag in RELEASE_FLAGS)).toEqual(["namespace"]);
    },
  );

  test.each([
    ["rollback", "--instances", "3"],
    ["status", "--canary"],
    ["history", "--chain-link-image", "a:1"],
    ["delete", "--network-policy", "edges"],
    ["page", "--slow", "off"],
    ["generate", "--kubeconfig", "x"],
    ["load", "--backend", "zipkin=http://a"],
  ])("%s %s is refused, and the error names commands that have the flag", async (...words) => {
    const [command = "", flag = ""] = words.map(String);
    const { exitCode, stderr, stdout } = await runCli(words.map(String));
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr).toStartWith(`ERROR    unknown flag ${flag} for ${command}\n         It is a flag of '`);
    const named = [...stderr.matchAll(/'([a-z-]+)'[, ]*(?=and '|'|\.)/g)].map(([, name]) => name);
    const owners = commands.filter((it) => flag.slice(2) in it.flags).map((it) => it.name);
    expect(named).not.toContain(command);
    for (const owner of owners) expect(stderr).toContain(`'${owner}'`);
  });

  test("a misspelled flag gets the nearest flag of the command", async () => {
    expect((await runCli(["status", "--namespac", "x"])).stderr).toStartWith(
      "ERROR    unknown flag --namespac (did you mean --namespace?)\n",
    );
  });

  test("page --backend refuses flags that find a release", async () => {
    const { exitCode, stderr } = await runCli([
      "page",
      "--backend",
      "zipkin=http://127.0.0.1:1",
      "-n",
      "shop",
    ]);
    expect(exitCode).toBe(2);
    expect(stderr).toStartWith("ERROR    --namespace is for a release, but --backend was given\n");
  });
});

describe("help", () => {
  test("of every flag is a sentence that starts with a capital letter or a value, and ends with a period", () => {
    for (const { name, flags } of commands)
      for (const [flag, { summary }] of Object.entries(flags))
        expect(`${name} --${flag}: ${summary}`).toMatch(/: ([A-Z]|[a-z, ]+: )[^\n]*\.$/);
  });

  test("of a flag is the same in all commands that have it", () => {
    const summaries = new Map<string, Set<string>>();
    for (const { flags } of commands)
      for (const [flag, { summary }] of Object.entries(flags))
        summaries.set(flag, (summaries.get(flag) ?? new Set()).add(summary));
    for (const flag of ["sample", "rate", "tags", "otlp-protocol", "namespace", "kubeconfig", "yes"])
      expect([flag, [...(summaries.get(flag) ?? [])].length]).toEqual([flag, 1]);
  });
});

test("a renamed flag keeps its old name and variable for one release, hidden from help", async () => {
  const { stdout } = await runCli(["fault", "--help"]);
  expect(stdout).toContain("--clear");
  expect(stdout).not.toContain("mend");
  for (const [args, env] of [
    [["fault", "--mend", "--stop"], {}],
    [["fault", "--stop"], { CHAIN_LINK_MEND: "true" }],
  ] as const) {
    const { exitCode, stderr } = await runCli(args, {
      env: { CHAIN_LINK_PAGE: "http://a/#token=x", ...env },
    });
    expect(exitCode).toBe(2);
    expect(stderr).toContain("--clear and a fault were both given");
  }
});
