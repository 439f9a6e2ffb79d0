import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { temporaryFolder } from "./helpers/cli.ts";

const ROOT = join(import.meta.dir, "..");

/** What a folder of `src`, and every folder in it, must not import: a file of each folder named here. */
const FORBIDDEN: Readonly<Record<string, readonly string[]>> = {
  "src/lib": ["src/trace", "src/topology", "src/http", "src/contract", "src/cli"],
  "src/topology": ["src/trace", "src/http", "src/contract", "src/link", "src/collector"],
  "src/trace": ["src/topology", "src/http", "src/contract", "src/link", "src/collector"],
  "src/http": ["src/topology", "src/trace", "src/contract", "src/link", "src/collector"],
  "src/contract": ["src/topology", "src/http", "src/collector", "src/verify/judge", "src/cli"],
  "src/link": ["src/load", "src/collector", "src/verify/judge", "src/kubernetes", "src/local", "src/cli"],
  "src/load": ["src/link", "src/collector", "src/verify/judge", "src/kubernetes", "src/local", "src/cli"],
  "src/collector": ["src/link", "src/load", "src/verify/judge", "src/kubernetes", "src/local", "src/cli"],
  "src/verify": ["src/link", "src/load", "src/collector", "src/kubernetes", "src/local", "src/cli"],
  "src/verify/judge": ["src/verify/backend", "src/verify/run", "src/verify/result", "src/verify/canary"],
  "src/verify/backend": ["src/verify/run", "src/verify/propagation", "src/verify/result"],
  "src/verify/run": ["src/verify/propagation", "src/verify/result", "src/verify/canary"],
  "src/verify/propagation": ["src/verify/run", "src/verify/result", "src/verify/canary"],
  "src/verify/result": ["src/verify/canary"],
  "src/kubernetes": ["src/link", "src/load", "src/collector", "src/verify/judge", "src/local", "src/cli"],
  "src/kubernetes/api": ["src/kubernetes/release"],
  "src/local": ["src/kubernetes", "src/cli"],
  "src/cli/shell": ["src/cli/common", "src/cli/local", "src/topology", "src/verify/judge", "src/local"],
  "src/cli/common": ["src/cli/local", "src/cli/release", "src/cli/verify", "src/cli/traces"],
  "src/cli/local": ["src/cli/release", "src/cli/verify", "src/cli/traces"],
  "src/cli/release": ["src/cli/local", "src/cli/verify", "src/cli/traces"],
  "src/cli/verify": ["src/cli/local", "src/cli/release", "src/cli/traces"],
  "src/cli/traces": ["src/cli/local", "src/cli/release", "src/cli/verify"],
  ui: ["src/collector", "src/verify/judge", "src/verify/result", "src/http", "src/topology", "src/cli/shell"],
};

/** A folder that no rule names. */
const NEW_FOLDER = "a-new-folder";
const FILE = "planted.ts";

describe("the linter", () => {
  test("refuses every forbidden import in every tier, its folders and a new folder", () => {
    // Other tests build the page from the folders of the project, so the imports are planted in a copy of these.
    using copy = temporaryFolder();
    const root = realpathSync(copy.path);
    const config = JSON.parse(readFileSync(join(ROOT, "biome.json"), "utf8"));
    writeFileSync(join(root, "biome.json"), JSON.stringify({ ...config, vcs: { enabled: false } }));
    const missed: string[] = [];
    for (const [tier, targets] of Object.entries(FORBIDDEN)) {
      const folders = plant(root, tier, targets);
      const refused = lint(root, tier);
      for (const folder of folders) {
        for (const [index, target] of targets.entries()) {
          if (!refused.has(`${join(folder, FILE)}:${index + 1}`))
            missed.push(`${folder} may import ${target}`);
        }
      }
    }
    expect(missed).toEqual([]);
  }, 60_000);
});

/** Writes a file with a line for each import into the tier and all its folders, and returns these. */
function plant(root: string, tier: string, targets: readonly string[]): string[] {
  // A folder in a family of commands needs a rule of its own: from there, `../../local` is another folder.
  const added = tier.startsWith("src/cli/") ? [] : [join(tier, NEW_FOLDER)];
  const folders = [...foldersOf(tier), ...added];
  for (const folder of folders) {
    mkdirSync(join(root, folder), { recursive: true });
    const lines = targets.map((target) => {
      const path = relative(folder, join(target, "some-file.ts"));
      return `import type {} from "${path}";\n`;
    });
    writeFileSync(join(root, folder, FILE), lines.join(""));
  }
  return folders;
}

/** The folder and all below it, except what is built. */
function foldersOf(folder: string): string[] {
  const inside = readdirSync(join(ROOT, folder), { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && entry.name !== "dist",
  );
  return [folder, ...inside.flatMap(({ name }) => foldersOf(join(folder, name)))];
}

/** Returns `file:line` of every refused import. */
function lint(root: string, folder: string): Set<string> {
  const biome = join(ROOT, "node_modules/.bin/biome");
  const args = ["lint", "--only=style/noRestrictedImports", "--max-diagnostics=none", "--reporter=github"];
  const { stdout, stderr } = Bun.spawnSync([biome, ...args, folder], { cwd: root });
  const found = stdout.toString().matchAll(/title=lint\/style\/noRestrictedImports,file=([^,]+),line=(\d+)/g);
  const refused = new Set(Array.from(found, ([, file = "", line]) => `${relative(root, file)}:${line}`));
  if (refused.size === 0) throw new Error(`biome refused nothing in ${folder}: ${stdout}${stderr}`);
  return refused;
}
