// Takes the pictures of the page that README and docs show, light and dark, from a chain that runs: `npm run screenshots`.
// Chromium has to be installed as /usr/bin/chromium. `npm run screenshots -- FOLDER` writes them elsewhere.
import { join } from "node:path";
import { chromium } from "playwright-core";
import type { TraceSummary } from "../src/collector/trace-summary.ts";
import type { Span } from "../src/trace/span.ts";
import { startUp, temporaryFolder } from "../test/helpers/cli.ts";

interface Listing {
  readonly traces: readonly TraceSummary[];
}

const folder = process.argv[2] ?? join(import.meta.dir, "../docs/images");
const SHOP = join(import.meta.dir, "../examples/shop.yaml");
const WARM_UP_MS = 12_000;

const up = await startUp([SHOP, "--port", "0", "--rate", "20/s"]);
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
try {
  await Bun.sleep(WARM_UP_MS);
  const page = up.facts.page ?? "";
  const base = up.facts.collector;
  const listing = (await (await fetch(`${base}/page/traces?limit=50`)).json()) as Listing;
  const wanted = listing.traces.find((trace) => trace.errorCount > 0) ?? listing.traces[0];
  const other = listing.traces.find((trace) => trace.traceId !== wanted?.traceId);
  const spans = (await (await fetch(`${base}/api/v2/trace/${wanted?.traceId}`)).json()) as Span[];
  const span = spans.find((one) => one.tags?.error !== undefined) ?? spans[0];
  const views: Record<string, string> = {
    graph: "",
    link: `?link=${up.facts.links.at(-1)?.name}`,
    traces: "?view=traces",
    trace: `?trace=${wanted?.traceId}&span=${span?.id}`,
    flame: `?trace=${wanted?.traceId}&view=flame`,
    table: `?trace=${wanted?.traceId}&view=table`,
    compare: `?compare=${wanted?.traceId},${other?.traceId}`,
    verify: "?view=verify",
    control: "?view=control",
  };
  for (const colorScheme of ["light", "dark"] as const) {
    const context = await browser.newContext({ colorScheme, viewport: { width: 1280, height: 760 } });
    const tab = await context.newPage();
    await tab.goto(page);
    for (const [name, query] of Object.entries(views)) {
      await tab.goto(`${base}/${query}`);
      await tab.waitForTimeout(name === "link" || name === "control" ? 2500 : 1500);
      await tab.screenshot({ path: pictureOf(name, colorScheme) });
    }
    await context.close();
  }
  await takeMap();
} finally {
  await browser.close();
  up.signal("SIGINT");
  await up.exited;
}

/** Three hundred links in ten layers, of which one is told to fail. */
async function takeMap(): Promise<void> {
  const services = Array.from({ length: 300 }, (_, index) => {
    const calls = index < 30 ? [2 * index + 1, 2 * index + 2] : index < 270 ? [index + 30] : [];
    const names = calls.map((call) => nameOf(call)).join(", ");
    return `  ${nameOf(index)}: { ${index === 0 ? "entry: true, " : ""}${index === 95 ? "errors: 50%, " : ""}calls: [[${names}]] }`;
  });
  using topology = temporaryFolder();
  const file = join(topology.path, "map.yaml");
  const head = "apiVersion: chain-link.dev/v1\nkind: Topology\nmetadata: { name: map }\nservices:\n";
  await Bun.write(file, `${head}${services.join("\n").replaceAll("[[]]", "[]")}\n`);
  const map = await startUp([file, "--port", "0", "--rate", "2/s"]);
  try {
    for (const colorScheme of ["light", "dark"] as const) {
      const context = await browser.newContext({ colorScheme, viewport: { width: 1280, height: 760 } });
      const tab = await context.newPage();
      await tab.goto(`${map.facts.collector}/?group=none`);
      await tab.waitForTimeout(6000);
      await tab.screenshot({ path: pictureOf("map", colorScheme) });
      await context.close();
    }
  } finally {
    map.signal("SIGINT");
    await map.exited;
  }
}

function nameOf(index: number): string {
  const areas = ["cart", "search", "user", "mail", "stock", "price", "audit", "offer", "media", "order"];
  return `${areas[index % areas.length]}-${index}`;
}

function pictureOf(name: string, colorScheme: "light" | "dark"): string {
  return join(folder, `${name}${colorScheme === "dark" ? "-dark" : ""}.png`);
}
