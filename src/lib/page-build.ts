import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

let build: Promise<void> | undefined;

/**
 * Rebuilds `ui/dist` if the page's sources exist, which is so in a clone only, and one of them is newer than the build.
 * The bundler runs in a process of its own, because its memory would stay with this one.
 */
export function buildPageFromSources(): Promise<void> {
  const ui = join(import.meta.dir, "../../ui");
  const script = join(ui, "../scripts/build-page.ts");
  if (!existsSync(join(ui, "page.tsx")) || !existsSync(script)) return Promise.resolve();
  build ??= isStale(ui) ? runBuild(script) : Promise.resolve();
  return build;
}

function isStale(ui: string): boolean {
  const built = ["files.js", "report.js"].map((name) => join(ui, "dist", name));
  if (!built.every((file) => existsSync(file))) return true;
  const builtMs = Math.min(...built.map((file) => statSync(file).mtimeMs));
  return readdirSync(ui, { recursive: true, encoding: "utf8" }).some(
    (file) => !file.startsWith("dist") && statSync(join(ui, file)).mtimeMs > builtMs,
  );
}

async function runBuild(script: string): Promise<void> {
  const child = Bun.spawn([process.execPath, script], { stdio: ["ignore", "ignore", "pipe"] });
  const [problem, exitCode] = await Promise.all([child.stderr.text(), child.exited]);
  if (exitCode !== 0) throw new Error(`Building the page failed: ${problem.trim()}`);
}
