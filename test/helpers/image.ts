import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_IMAGE } from "../../src/kubernetes/images.ts";
import { temporaryFolder } from "./cli.ts";
import { LAB } from "./lab.ts";

const ROOT = join(import.meta.dir, "../..");

/** Architecture of this machine, as images name it. */
export const ARCHITECTURE = process.arch === "arm64" ? "arm64" : "amd64";

/** Builds the executable for this machine's architecture and returns its path. Takes about a second. */
export async function buildExecutable(): Promise<string> {
  await run(["npm", "run", "-s", "build"]);
  const path = join(ROOT, "dist", `chain-link-${ARCHITECTURE}`);
  if (!existsSync(path)) throw new Error(`npm run build did not make ${path}`);
  return path;
}

/**
 * Builds our image with the executable and pushes it to the lab's registry. Its tag identifies the executable, because
 * a node keeps the images that it has pulled.
 * @returns the name of the image
 */
export async function buildLabImage(): Promise<string> {
  const executable = await Bun.file(await buildExecutable()).bytes();
  const [repository] = DEFAULT_IMAGE.split(":");
  const name = `${repository}:test-${Bun.hash(executable).toString(16)}`;
  using folder = temporaryFolder();
  const file = join(folder.path, "Dockerfile");
  writeFileSync(file, renderPrebuilt(readFileSync(join(ROOT, "Dockerfile"), "utf8")));
  await run([LAB, "image", "build", "-t", name, "-f", file, ROOT]);
  return name;
}

/**
 * Returns the Dockerfile as `--build-arg EXECUTABLE=prebuilt` resolves it. The lab's builder supports neither arguments
 * nor `TARGETARCH`, nor a stage that an argument names.
 */
function renderPrebuilt(text: string): string {
  return text
    .replace(/^FROM .* AS build\n(?:.*\n)+?(?=\nFROM)/m, "")
    .replace("FROM $EXECUTABLE AS", "FROM prebuilt AS")
    .replaceAll("$TARGETARCH", ARCHITECTURE);
}

async function run(command: readonly string[]): Promise<void> {
  const child = Bun.spawn([...command], { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with ${exitCode}:\n${stdout}${stderr}`);
}
