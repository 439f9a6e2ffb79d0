// Bundles the web page and the report of `verify` in `ui` into `ui/dist`, which the collector serves, the package carries and
// the executable holds.
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";

const ui = join(import.meta.dir, "../ui");
const names = ["page.tsx", "page.css", "report.tsx", "report.css"];
const built = await Bun.build({
  entrypoints: names.map((name) => join(ui, name)),
  target: "browser",
  minify: true,
  define: { "process.env.NODE_ENV": '"production"' },
});
await mkdir(join(ui, "dist"), { recursive: true });
for (const file of built.outputs) {
  const name = file.path.replace(/^\.\//, "");
  // Renamed into place, as another process may be serving it now.
  const temporary = join(ui, "dist", `${name}.${process.pid}`);
  await Bun.write(temporary, file);
  await rename(temporary, join(ui, "dist", name));
}
