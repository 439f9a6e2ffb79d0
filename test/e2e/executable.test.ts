import { beforeAll, describe, expect, test } from "bun:test";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VERSION } from "../../src/lib/version.ts";
import { CLOSED_PORT } from "../helpers/chain.ts";
import { eventually, temporaryFolder } from "../helpers/cli.ts";
import { ARCHITECTURE, buildExecutable } from "../helpers/image.ts";
import { findPageFiles } from "../helpers/page-files.ts";

const LIMIT_MS = 120_000;

const ROOT = join(import.meta.dir, "../..");

/** Copies the files that `.dockerignore` re-includes; it ignores everything else. */
async function copyContext(to: string): Promise<void> {
  const lines = readFileSync(join(ROOT, ".dockerignore"), "utf8").split("\n");
  const names = lines.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
  expect(lines.filter((line) => !/^(!|#|$)/.test(line))).toEqual(["*"]);
  for (const name of names.filter((name) => name !== "dist"))
    cpSync(join(ROOT, name), join(to, name), { recursive: true });
  rmSync(join(to, "ui/dist"), { recursive: true, force: true });
}

/** Returns the commands of the Dockerfile's first stage. */
function readBuildStage(): string {
  const [, stage = ""] =
    /AS build\n([\s\S]*?)\nFROM/.exec(readFileSync(join(ROOT, "Dockerfile"), "utf8")) ?? [];
  return [...stage.matchAll(/^RUN (.*)$/gm)].map(([, command = ""]) => command).join("\n");
}

describe.skipIf(process.platform !== "linux")("the executable that npm run build makes", () => {
  let path: string;

  beforeAll(async () => {
    path = await buildExecutable();
  }, LIMIT_MS);

  function start(args: readonly string[], env: Readonly<Record<string, string>> = {}, cwd = "/") {
    return Bun.spawn([path, ...args], { cwd, env, stdout: "pipe", stderr: "pipe" });
  }

  test("the executable runs without Node.js, without Bun and with an empty environment", async () => {
    const child = start(["version"]);
    expect(await child.stdout.text()).toBe(`chain-link ${VERSION}\n`);
    expect(await child.exited).toBe(0);
  });

  test("the executable behaves the same in every folder", async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, ".env"), "CHAIN_LINK_OUTPUT=json\n");
    writeFileSync(join(folder.path, "bunfig.toml"), 'preload = ["./missing.ts"]\n');
    const child = start(["version"], {}, folder.path);
    expect(await child.stdout.text()).toBe(`chain-link ${VERSION}\n`);
  });

  test.each([[[]], [["--processes"]]])(
    "the executable serves its page and bypasses a proxy for its own links (%p)",
    async (flags) => {
      const args = ["up", "-o", "json", "--slow", "off", "--port", "0", "--rate", "5/s", ...flags];
      const child = start(args, { HTTP_PROXY: CLOSED_PORT, http_proxy: CLOSED_PORT });
      try {
        const reader = child.stdout.getReader();
        const { page: url } = JSON.parse(new TextDecoder().decode((await reader.read()).value));
        // The rest is the page's token.
        const page = new URL(url).origin;
        for (const [file, content] of [
          ["/", "<!doctype html>"],
          ["/page.js", "function"],
          ["/page.css", "{"],
        ] as const) {
          const response = await fetch(`${page}${file}`);
          expect(response.status).toBe(200);
          expect((await response.text()).toLowerCase()).toContain(content);
        }
        expect((await findPageFiles(page)).length).toBeGreaterThan(8);
        reader.releaseLock();
        await eventually(async () => {
          const response = await fetch(`${page}/api/v2/traces`);
          return ((await response.json()) as unknown[]).length > 0 ? true : undefined;
        });
      } finally {
        child.kill("SIGTERM");
      }
      expect(await child.exited).toBe(0);
      const summary = await child.stderr.text();
      expect(summary).toContain("none dropped");
    },
    LIMIT_MS,
  );

  test(
    "the image's build stage builds the executable from the files of the image's context",
    async () => {
      using context = temporaryFolder();
      await copyContext(context.path);
      const script = readBuildStage().replaceAll("/chain-link", join(context.path, "out"));
      const child = Bun.spawn(["sh", "-euc", script], {
        cwd: context.path,
        env: { ...process.env, TARGETARCH: ARCHITECTURE, npm_config_prefer_offline: "true" },
        stdout: "pipe",
        stderr: "pipe",
      });
      const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      expect({ output, errors, exitCode: await child.exited }).toMatchObject({ exitCode: 0 });
      const version = Bun.spawn([join(context.path, "out"), "version"], { stdout: "pipe" });
      expect(await version.stdout.text()).toBe(`chain-link ${VERSION}\n`);
    },
    // npm ci besides.
    3 * LIMIT_MS,
  );

  test(
    "the executable can be built for the other architecture",
    async () => {
      using folder = temporaryFolder();
      const outfile = join(folder.path, "other");
      const other = ARCHITECTURE === "amd64" ? "arm64" : "amd64";
      const build = Bun.spawn(["npm", "run", "-s", "build", "--", "--arch", other, "--outfile", outfile], {
        cwd: ROOT,
        stdout: "ignore",
        stderr: "pipe",
      });
      const stderr = await build.stderr.text();
      expect({ stderr, exitCode: await build.exited }).toEqual({ stderr: "", exitCode: 0 });
      const header = new DataView(await Bun.file(outfile).slice(0, 20).arrayBuffer());
      // https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html: e_machine
      expect(header.getUint16(18, true)).toBe(other === "arm64" ? 183 : 62);
    },
    LIMIT_MS,
  );
});
