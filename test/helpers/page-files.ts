/**
 * Returns the paths of the page and of every file that it loads, directly or through another file. A script names other
 * scripts as `"./name.js"`.
 * @param url base URL of a collector
 */
export async function findPageFiles(url: string): Promise<string[]> {
  const found = new Set(["/"]);
  for (const path of found) {
    const response = await fetch(url + path);
    if (response.status !== 200) throw new Error(`${path}: status ${response.status}`);
    const text = await response.text();
    const names =
      path === "/" ? text.matchAll(/(?:href|src)="([\w-]+\.\w+)"/g) : text.matchAll(/"\.\/([\w-]+\.js)"/g);
    for (const [, name] of names) found.add(`/${name}`);
  }
  return [...found];
}
