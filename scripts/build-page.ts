// Bundles `ui` into `ui/dist`, which the collector serves, the package carries and the executable holds:
//
// - `index.html`, `page.js` and `page.css`, and a file with a hash in its name for each part of the page that is loaded when
//   it is needed. A page that is older than the server asks for a name that is gone, rather than getting a part that does not
//   fit.
// - `report.js` and `report.css`, which `verify --report` puts into one file.
// - `files.js`, the list of the files that are served; `src/collector/page.ts` says what is in it.
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";

const ui = join(import.meta.dir, "../ui");
const dist = join(ui, "dist");
const options = {
  target: "browser",
  minify: true,
  define: { "process.env.NODE_ENV": '"production"' },
} as const;
const page = await Bun.build({
  ...options,
  entrypoints: [join(ui, "page.tsx"), join(ui, "page.css")],
  splitting: true,
  metafile: true,
  naming: { entry: "[name].[ext]", chunk: "[name]-[hash].[ext]" },
});
const report = await Bun.build({
  ...options,
  entrypoints: [join(ui, "report.tsx"), join(ui, "report.css")],
});

const nameOf = (path: string) => path.replace(/^\.\//, "");
const imports = new Map(
  Object.entries(page.metafile?.outputs ?? {}).map(([path, output]) => [nameOf(path), output.imports]),
);
const parts = [...imports.keys()].filter((name) => name.endsWith(".js") && name !== "page.js");
const texts = new Map<string, Blob | string>();
for (const file of [...page.outputs, ...report.outputs]) texts.set(nameOf(file.path), file);
texts.set("index.html", await renderIndex());
texts.set("files.js", renderFiles([...page.outputs.map(({ path }) => nameOf(path)), "index.html"]));

await mkdir(dist, { recursive: true });
// The list is written last, so that every file that it names exists.
for (const [name, text] of texts) await replace(name, text);
for (const name of await readdir(dist)) {
  // Files that this or another build is still writing have a process ID as their extension.
  if (!texts.has(name) && !/\.\d+$/.test(name)) await rm(join(dist, name), { force: true });
}

/** Renames the file into place, because another process may be serving the old one. */
async function replace(name: string, text: Blob | string): Promise<void> {
  const temporary = join(dist, `${name}.${process.pid}`);
  await Bun.write(temporary, text);
  await rename(temporary, join(dist, name));
}

/** Preloads the page's initial imports, so that the browser fetches them together with the page. */
async function renderIndex(): Promise<string> {
  const html = await Bun.file(join(ui, "index.html")).text();
  const links = importedBy("page.js").map((name) => `<link rel="modulepreload" href="${name}">`);
  return html.replace(/(?=<script type="module")/, links.join("\n    ").concat("\n    "));
}

function renderFiles(served: readonly string[]): string {
  const lines = served.map(
    (name) =>
      `  ${JSON.stringify(name)}: () => import(${JSON.stringify(`./${name}`)}, { with: { type: "text" } }),`,
  );
  const needed = new Set(["page.js", ...importedBy("page.js")]);
  const preloads = parts
    .filter((name) => /-view-/.test(name))
    .map((name) => [
      name.replace(/-view-.*/, ""),
      [name, ...importedBy(name)].filter((one) => !needed.has(one)),
    ]);
  return `export const files = {
${lines.join("\n")}
};
export const preloads = ${JSON.stringify(Object.fromEntries(preloads), null, 2)};
`;
}

/** Returns all static imports of a file, direct and indirect. */
function importedBy(name: string, found = new Set<string>()): string[] {
  for (const { path, kind } of imports.get(name) ?? []) {
    const imported = nameOf(path);
    if (kind !== "import-statement" || found.has(imported)) continue;
    found.add(imported);
    importedBy(imported, found);
  }
  return [...found];
}
