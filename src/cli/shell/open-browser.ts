/** Opens an address in the user's browser, if there is one. */
export function openBrowser(url: string): void {
  const opener = process.platform === "darwin" ? "open" : "xdg-open";
  try {
    Bun.spawn([opener, url], { stdio: ["ignore", "ignore", "ignore"] }).unref();
  } catch {
    // Without a browser the printed address has to do.
  }
}
