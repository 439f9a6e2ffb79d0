import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Opens an address in the user's browser, if there is one. Every user of the machine can read the arguments of a process,
 * so an address with a token in its fragment is passed in a file that only this user can read.
 */
export function openBrowser(url: string): void {
  const opener = process.platform === "darwin" ? "open" : "xdg-open";
  try {
    const target = url.includes("#") ? writeRedirect(url) : url;
    Bun.spawn([opener, target], { stdio: ["ignore", "ignore", "ignore"] }).unref();
  } catch {
    // Without a browser, the printed address has to do.
  }
}

/** Returns the path of a page that leads to `url`. It is deleted when this process exits. */
function writeRedirect(url: string): string {
  const folder = mkdtempSync(join(tmpdir(), "chain-link-page-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "open.html");
  const script = `<script>location.replace(${JSON.stringify(url)})</script>`;
  writeFileSync(file, `<!doctype html><meta charset="utf-8"><title>chain-link</title>${script}`, {
    mode: 0o600,
  });
  return file;
}
