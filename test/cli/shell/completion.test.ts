import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { runCli, temporaryFolder } from "../../helpers/cli.ts";

/** What bash offers for the last of these words. */
async function completeInBash(words: readonly string[], cwd = "."): Promise<string[]> {
  const { stdout: script } = await runCli(["completion", "bash"]);
  const list = words.map((word) => `'${word}'`).join(" ");
  const ask = `COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _chain_link 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const child = Bun.spawn(["bash", "--norc", "-c", `${script}\n${ask}`], { cwd, stdout: "pipe" });
  return (await child.stdout.text()).trim().split("\n");
}

/** Lines up to where a word is asked for, in a folder with one file. */
const OPERANDS: readonly (readonly [string, readonly string[]])[] = [
  ["up ", ["my shop.yaml"]],
  ["up --rate 5/s ", ["my shop.yaml"]],
  ["up --data ", ["my shop.yaml"]],
  ["verify ", ["my shop.yaml"]],
  ["traces ", ["export", "import"]],
  ["traces import ", ["my shop.yaml"]],
  ["import ", ["isotope"]],
  ["import isotope ", ["my shop.yaml"]],
];

describe("bash", () => {
  test("offers commands", async () => {
    const offered = await completeInBash(["chain-link", ""]);
    expect(offered).toContain("generate");
    expect(offered).not.toContain("link-process");
    expect(await completeInBash(["chain-link", "gen"])).toEqual(["generate"]);
  });

  test("offers a command's flags, wherever the command stands", async () => {
    expect(await completeInBash(["chain-link", "up", "--inst"])).toEqual(["--instances"]);
    expect(await completeInBash(["chain-link", "--quiet", "up", "--base"])).toEqual(["--base-port"]);
    expect(await completeInBash(["chain-link", "generate", "--base"])).toEqual([""]);
  });

  test("offers the values of a flag with choices", async () => {
    expect(await completeInBash(["chain-link", "up", "--slow", ""])).toEqual(["on", "off"]);
    expect(await completeInBash(["chain-link", "completion", "z"])).toEqual(["zsh"]);
    expect(await completeInBash(["chain-link", "up", "-o", ""])).toEqual(["table", "json"]);
    expect(await completeInBash(["chain-link", "version", "--output", "=", ""])).toEqual(["text", "json"]);
    expect(await completeInBash(["chain-link", "version", "--output", "="])).toEqual(["text", "json"]);
    expect(await completeInBash(["chain-link", "up", "--rate", ""])).toEqual([""]);
  });

  test.each(OPERANDS)("offers %j %j", async (line, offered) => {
    using folder = temporaryFolder();
    await Bun.write(join(folder.path, "my shop.yaml"), "");
    expect(await completeInBash(["chain-link", ...line.split(" ")], folder.path)).toEqual([...offered]);
  });
});

describe.each(["bash", "zsh", "fish"])("%s", (shell) => {
  test.skipIf(Bun.which(shell) === null)(
    `takes the script without a complaint (skipped where there is no ${shell})`,
    async () => {
      using folder = temporaryFolder();
      const file = join(folder.path, "script");
      await Bun.write(file, (await runCli(["completion", shell])).stdout);
      const child = Bun.spawn([shell, "-n", file], { stdout: "pipe", stderr: "pipe" });
      expect(await child.stderr.text()).toBe("");
      expect(await child.exited).toBe(0);
    },
  );
});

describe.skipIf(Bun.which("fish") === null)("fish (skipped where there is none)", () => {
  test.each([...OPERANDS, ["up -o ", ["json", "table"]], ["completion bash ", [""]]] as typeof OPERANDS)(
    "offers %j %j",
    async (line, offered) => {
      using folder = temporaryFolder();
      using scripts = temporaryFolder();
      const file = join(scripts.path, "script.fish");
      await Bun.write(file, (await runCli(["completion", "fish"])).stdout);
      await Bun.write(join(folder.path, "my shop.yaml"), "");
      const ask = `source ${file}; complete -C 'chain-link ${line}'`;
      const child = Bun.spawn(["fish", "--no-config", "-c", ask], { cwd: folder.path, stdout: "pipe" });
      const words = (await child.stdout.text()).trim().split("\n");
      expect(words.map((word) => word.replaceAll("\\", "").split("\t")[0])).toEqual([...offered]);
    },
  );
});
