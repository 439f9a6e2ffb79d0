import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import manifest from "../../package.json";
import {
  renderCliReference,
  renderErrorReference,
  renderFailureReference,
} from "../../scripts/cli-reference.ts";
import { COMMANDS as ENTRIES } from "../../src/cli/commands.ts";
import { parseArguments } from "../../src/cli/shell/arguments.ts";
import { loadCommands } from "../../src/cli/shell/command.ts";
import { GLOBAL_FLAGS } from "../../src/cli/shell/global-flags.ts";
import { renderCommandHelp, renderHelp } from "../../src/cli/shell/help.ts";
import { environmentOf } from "../../src/cli/shell/settings.ts";
import { EXECUTABLE, runCli, temporaryFolder } from "../helpers/cli.ts";

const COMMANDS = await loadCommands(ENTRIES);
const DOCS = join(import.meta.dir, "../../docs");

describe("help", () => {
  test("without a command, help is printed to standard output with exit code 0", async () => {
    const { exitCode, stdout, stderr } = await runCli([]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toBe((await runCli(["--help"])).stdout);
    expect(stdout.indexOf("Examples:")).toBeLessThan(stdout.indexOf("Usage:"));
  });

  test("lists every command", async () => {
    const { stdout } = await runCli(["-h"]);
    for (const { name, isHidden } of COMMANDS) expect(stdout.includes(`  ${name} `)).toBe(!isHidden);
  });

  test.each(COMMANDS.filter((it) => !it.isHidden).map(({ name }) => name))(
    "%s --help starts with what the command does",
    async (name) => {
      const command = COMMANDS.find((it) => it.name === name);
      for (const args of [
        [name, "--help"],
        ["-h", name],
      ]) {
        const { exitCode, stdout } = await runCli(args);
        expect(exitCode).toBe(0);
        expect(stdout.startsWith(`${command?.summary}.\n\nExamples:\n`)).toBe(true);
        for (const flag of Object.keys(command?.flags ?? {})) expect(stdout).toContain(`--${flag}`);
      }
    },
  );

  describe("lines are wrapped between words at the terminal's width", () => {
    const helps = [
      ["chain-link", (width: number) => renderHelp(ENTRIES, width)] as const,
      ...COMMANDS.map((it) => [it.name, (width: number) => renderCommandHelp(it, width)] as const),
    ];
    test.each(helps)("%s", (_name, render) => {
      const wordsOf = (text: string) => text.split(/\s+(?:\\\n\s*)?/);
      for (const width of [60, 80, 100]) {
        const text = render(width);
        expect(text.split("\n").filter((line) => line.length > width)).toEqual([]);
        expect(text.split("\n").filter((line) => line.endsWith(" "))).toEqual([]);
        expect(wordsOf(text)).toEqual(wordsOf(render(10_000)));
      }
    });

    test("the width is 80 without a terminal, and the terminal's otherwise", async () => {
      expect((await runCli(["verify", "--help"])).stdout).toBe(helpOf("verify", 80));
      let shown = "";
      const child = Bun.spawn([EXECUTABLE, "verify", "--help"], {
        terminal: {
          cols: 100,
          rows: 24,
          data: (_, bytes) => {
            shown += Buffer.from(bytes).toString();
          },
        },
      });
      await child.exited;
      child.terminal?.close();
      expect(shown.replaceAll("\r\n", "\n")).toBe(helpOf("verify", 100));
    });

    test("an explanation wraps in its own column", () => {
      const help = helpOf("load", 60);
      expect(help).toContain(`
  chain-link load http://localhost:8000 --rate 50/s \\
      --requests 1000 --ledger run.ledger
      write the ledger that verify reads
`);
      expect(help).toContain(`
      --arrivals constant|poisson
                            Send requests at even intervals,
                            or at random times with the same
                            mean rate. (default constant;
                            $CHAIN_LINK_ARRIVALS)
  -c, --connections N       With a rate: maximum requests in
                            flight. Without: number of
`);
      expect(help).toContain(`
                            $CHAIN_LINK_OTLP_PROTOCOL,
                        $OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
                            $OTEL_EXPORTER_OTLP_PROTOCOL)
`);
    });

    function helpOf(name: string, width: number): string {
      const command = COMMANDS.find((it) => it.name === name);
      return command === undefined ? "" : renderCommandHelp(command, width);
    }
  });

  test("help creates no config file", async () => {
    using folder = temporaryFolder();
    await runCli(["generate", "--help"], { env: { HOME: folder.path } });
    await runCli(["version"], { env: { HOME: folder.path } });
    expect(existsSync(join(folder.path, ".config"))).toBe(false);
  });
});

describe("wrong usage ends with exit code 2, one clear message and nothing on standard output", () => {
  test.each([
    [["uup"], 'unknown command "uup" (did you mean up?)'],
    [["destroy"], 'unknown command "destroy"'],
    [["up", "--instanes", "3"], "unknown flag --instanes (did you mean --instances?)"],
    [["--bogus"], "unknown flag --bogus"],
    [["up", "-x"], "unknown flag -x"],
    [["up", "--output-directory", "x"], "unknown flag --output-directory"],
    [["up", "--instances", "0"], '--instances: expected a whole number from 1 to 100000, found "0"'],
    [["up", "--instances", "-1"], '--instances: expected a whole number from 1 to 100000, found "-1"'],
    [["up", "--instances", "1e9"], '--instances: expected a whole number from 1 to 100000, found "1e9"'],
    [["up", "--instances", "abc"], '--instances: expected a whole number from 1 to 100000, found "abc"'],
    [["up", "--instances="], '--instances: expected a whole number from 1 to 100000, found ""'],
    [["up", "--instances"], "--instances needs a value: --instances N"],
    [["up", "--host", "--no-load"], "--host needs a value: --host ADDRESS"],
    [["up", "--no-load=yes"], '--no-load takes no value other than true or false, found "yes"'],
    [["up", "--port", "65536"], '--port: expected a whole number from 0 to 65535, found "65536"'],
    [["up", "--duration", "5"], '--duration: expected a duration such as 500ms, 5s or 1m30s, found "5"'],
    [
      ["up", "--rate", "0"],
      '--rate: expected a rate such as 200/s, 5/m or 50/h, or 100..1000/30s, a ramp, found "0"',
    ],
    [["up", "--slow", "maybe"], '--slow: expected one of on, off, found "maybe"'],
    [
      ["up", "--zipkin", "localhost:9411"],
      "--zipkin: expected an http or https URL such as http://localhost:9411",
    ],
    [["up", "--zipkin", "http://a", "--data", "d"], "--data and --zipkin contradict each other"],
    [["up", "--otlp", "http://a", "--port", "0"], "--port and --otlp contradict each other"],
    [["up", "--no-load", "--rate", "5/s"], "--rate and --no-load contradict each other"],
    [["up", "--zipkin", "http://a", "--otlp", "http://b"], "both a Zipkin and an OTLP receiver were given"],
    [["up", "a.yaml", "b.yaml"], 'unexpected argument "b.yaml"'],
    [["up", "a.yaml", "--instances", "3"], "--instances and a topology document were both given"],
    [["load"], "expected a URL or a topology document, found neither"],
    [["load", "nowhere"], "URL: expected an http or https URL"],
    [["completion", "tcsh"], 'expected one of bash, zsh, fish, found "tcsh"'],
    [["generate", "--namespace", "A_b"], "--namespace: expected a namespace"],
    [["generate", "--chain-link-image", "a b"], "--chain-link-image: expected an image"],
    [["link", "--resolve", "b"], "--resolve: expected NAME=URL"],
    [
      ["link", "--propagation", "b3,jaeger"],
      "--propagation: expected a list of tracecontext, baggage, b3, b3multi",
    ],
  ])("%j", async (args, message) => {
    using folder = temporaryFolder();
    const { exitCode, stdout, stderr } = await runCli(args, { env: { HOME: folder.path } });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr).toStartWith("ERROR    ");
    expect(stderr).toContain(message);
    expect(stderr).not.toContain("    at ");
    expect(existsSync(join(folder.path, ".config"))).toBe(false);
  });

  test("an invalid environment variable is named in the error", async () => {
    const { exitCode, stderr } = await runCli(["up"], { env: { CHAIN_LINK_INSTANCES: "many" } });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('CHAIN_LINK_INSTANCES: expected a whole number from 1 to 100000, found "many"');
  });
});

test("an unreadable file has its own error code", async () => {
  const { exitCode, stderr } = await runCli(["up", "no-such.yaml"]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("cannot read no-such.yaml: no such file\n");
});

test("a full disk behind standard output is one error line", async () => {
  const child = Bun.spawn(["sh", "-c", `'${EXECUTABLE}' version > /dev/full`], { stderr: "pipe" });
  expect(await child.stderr.text()).toBe(
    "ERROR    cannot write to standard output: no space left on the device\n",
  );
  expect(await child.exited).toBe(1);
});

test("'help COMMAND' shows the same as 'COMMAND --help'", async () => {
  expect((await runCli(["help"])).stdout).toBe((await runCli(["--help"])).stdout);
  expect((await runCli(["help", "up"])).stdout).toBe((await runCli(["up", "--help"])).stdout);
});

test("'version' prints the package's version", async () => {
  expect((await runCli(["version"])).stdout).toBe(`chain-link ${manifest.version}\n`);
  expect((await runCli(["--version"])).stdout).toBe(`chain-link ${manifest.version}\n`);
  expect(JSON.parse((await runCli(["version", "-o", "json"])).stdout)).toMatchObject({
    version: manifest.version,
  });
});

test("files in the current folder cannot change the program", async () => {
  using folder = temporaryFolder();
  await Bun.write(join(folder.path, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
  await Bun.write(join(folder.path, "evil.ts"), 'console.log("evil")\n');
  await Bun.write(join(folder.path, ".env"), "CHAIN_LINK_INSTANCES=many\n");
  await Bun.write(join(folder.path, "tsconfig.json"), "{ broken");
  const { exitCode, stdout } = await runCli(["generate", "-o", "json", "-q", "--config-file", "c.conf"], {
    cwd: folder.path,
  });
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout).items).toHaveLength(2 * 3 + 5);
});

test("a closed pipe ends the program quietly", async () => {
  using folder = temporaryFolder();
  const script = `'${EXECUTABLE}' generate --instances 2000 -o yaml -q --config-file '${folder.path}/c' | head -1; echo \${PIPESTATUS[0]}`;
  const child = Bun.spawn(["bash", "-c", script], { stdout: "pipe", stderr: "pipe" });
  expect(await child.stderr.text()).toBe("");
  expect((await child.stdout.text()).split("\n")[0]).toBe("---");
});

test("short names are unique, and no command redefines a global flag", () => {
  const shorts = new Map<string, string>();
  for (const table of [GLOBAL_FLAGS, ...COMMANDS.map(({ flags }) => flags)]) {
    for (const [name, flag] of Object.entries(table)) {
      const everywhere = GLOBAL_FLAGS[name as keyof typeof GLOBAL_FLAGS] as typeof flag | undefined;
      if (everywhere !== undefined) expect(flag.placeholder).toBe(everywhere.placeholder);
      if (flag.short === undefined) continue;
      expect([flag.short, shorts.get(flag.short) ?? name]).toEqual([flag.short, name]);
      shorts.set(flag.short, name);
    }
  }
});

test("a flag that is a switch in one command may take a value in another", () => {
  const parse = (...args: string[]) => parseArguments(args, COMMANDS, GLOBAL_FLAGS);
  expect(parse("link", "--propagation", "b3").given.get("propagation")).toEqual(["b3"]);
  const verify = parse("verify", "--propagation", "shop.yaml");
  expect([verify.given.get("propagation"), verify.operands]).toEqual([["true"], ["shop.yaml"]]);
});

describe("references", () => {
  test("docs/cli.md is the one that `npm run docs` writes", async () => {
    expect(readFileSync(join(DOCS, "cli.md"), "utf8")).toBe(await renderCliReference());
  });

  test("docs/errors.md is the one that `npm run docs` writes", () => {
    expect(readFileSync(join(DOCS, "errors.md"), "utf8")).toBe(renderErrorReference());
    expect(readFileSync(join(DOCS, "failures.md"), "utf8")).toBe(renderFailureReference());
  });
});

test("an environment variable has one form, whichever command reads it", () => {
  const forms = new Map<string, string | undefined>();
  for (const [name, flag] of COMMANDS.flatMap(({ flags }) => Object.entries(flags))) {
    for (const variable of environmentOf(name, flag)) {
      if (!forms.has(variable)) forms.set(variable, flag.placeholder);
      expect({ variable, form: flag.placeholder }).toEqual({ variable, form: forms.get(variable) });
    }
  }
});
