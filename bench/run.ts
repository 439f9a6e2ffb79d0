/**
 * Runs all benchmarks, or the named ones: `npm run bench`, `npm run bench -- help up`. Each benchmark is a
 * program whose first lines describe it. Run benchmarks while the machine does nothing else.
 */
const BENCHES = [
  "help",
  "parse",
  "rest",
  "up",
  "generate",
  "http",
  "span",
  "hop",
  "behavior",
  "load",
  "trace-page",
  "deploy",
  "collector",
  "verify",
] as const;

const named = process.argv.slice(2);
const unknown = named.filter((name) => !BENCHES.some((bench) => bench === name));
if (unknown.length > 0) {
  console.error(`unknown benchmark ${unknown.join(", ")}: there are ${BENCHES.join(", ")}`);
  process.exit(2);
}
let hasFailed = false;
for (const bench of named.length > 0 ? named : BENCHES) {
  console.log(`\n# ${bench}`);
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/${bench}.ts`], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if ((await child.exited) !== 0) hasFailed = true;
}
process.exit(hasFailed ? 1 : 0);
