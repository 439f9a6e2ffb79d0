// npm run build [-- --arch amd64|arm64] [--outfile FILE]: builds the program and its runtime as one Linux executable.
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
// The page is part of the executable.
import "./build-page.ts";

const ROOT = join(import.meta.dir, "..");

/** Names of architectures: as images have them, as Bun has them. */
const ARCHITECTURES = { amd64: "x64", arm64: "arm64" } as const;
type Architecture = keyof typeof ARCHITECTURES;

const { values } = parseArgs({ options: { arch: { type: "string" }, outfile: { type: "string" } } });
const arch = readArchitecture(values.arch ?? (process.arch === "arm64" ? "arm64" : "amd64"));
const outfile = values.outfile ?? join(ROOT, "dist", `chain-link-${arch}`);
mkdirSync(dirname(outfile), { recursive: true });

const target = `bun-linux-${ARCHITECTURES[arch]}`;
const isOwn = process.platform === "linux" && process.arch === ARCHITECTURES[arch];
const build = Bun.spawnSync(
  [
    ...[process.execPath, "build", "--compile", `--outfile=${outfile}`],
    // For another platform, Bun fetches the runtime of its own version from npm.
    ...(isOwn ? [] : [`--target=${target}`]),
    // Chunks keep commands lazy and bytecode saves parsing: `version` starts in 10 ms instead of 35.
    ...["--splitting", "--bytecode", "--format=esm"],
    // Configuration in the current folder must not change the program.
    ...["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"],
    join(ROOT, "src/cli/executable.ts"),
  ],
  // Not the root of the project, because the build leaves temporary files where it runs.
  { cwd: dirname(outfile), stdout: "ignore", stderr: "pipe" },
);
if (build.exitCode !== 0) {
  console.error(build.stderr.toString());
  process.exit(1);
}
const { size } = Bun.file(outfile);
console.log(`${outfile}: ${target}, ${(size / 2 ** 20).toFixed(0)} MiB`);

function readArchitecture(text: string): Architecture {
  if (Object.hasOwn(ARCHITECTURES, text)) return text as Architecture;
  console.error(
    `--arch: expected one of ${Object.keys(ARCHITECTURES).join(", ")}, found ${JSON.stringify(text)}`,
  );
  process.exit(2);
}
