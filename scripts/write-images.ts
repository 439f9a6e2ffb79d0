/** Takes the pictures of the README from a running chain: `bun scripts/write-images.ts`; needs /usr/bin/chromium. */
import { chromium } from "playwright-core";
import { startUp } from "../test/helpers/cli.ts";
import { fetchTrace, traceIdOf } from "../test/helpers/trace.ts";

const LINKS = 5;
const up = await startUp(["--instances", String(LINKS), "--slow", "off", "--port", "0", "--rate", "4/s"]);
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
try {
  await Bun.sleep(3000);
  const id = traceIdOf(await fetch(up.facts.entry));
  await fetchTrace(up.facts.collector, id, 2 * LINKS - 1);
  const page = await browser.newPage({ viewport: { width: 1100, height: 640 } });
  await page.goto(`${up.facts.page}?trace=${id}`);
  await page.waitForSelector("main button, main [role=treeitem], main tr");
  await page.screenshot({ path: "docs/images/trace.png" });
  await page.goto(up.facts.page ?? "");
  await Bun.sleep(500);
  await page.screenshot({ path: "docs/images/traces.png" });
} finally {
  await browser.close();
  up.signal("SIGINT");
  await up.exited;
}
