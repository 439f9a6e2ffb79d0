// Takes the screenshots of the page for README and docs, light and dark, from a running chain: `npm run screenshots`.
// Needs Chromium as /usr/bin/chromium. `npm run screenshots -- FOLDER` writes to another folder.
import { join } from "node:path";
import { chromium } from "playwright-core";
import { startCollector } from "../src/collector/server.ts";
import type { TraceSummary } from "../src/contract/trace-summary.ts";
import type { VerifyResult } from "../src/contract/verify-result.ts";
import { REPORTER_DEFAULTS } from "../src/link/reporter.ts";
import { parseTopology } from "../src/topology/parse.ts";
import type { Span } from "../src/trace/span.ts";
import { startChain } from "../test/helpers/chain.ts";
import { startUp, temporaryFolder } from "../test/helpers/cli.ts";
import { startFaultProxy } from "../test/helpers/fault-proxy.ts";
import { verifyRun } from "../test/helpers/verify-run.ts";

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
    past: "?lookback=3600000",
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
  await takeLoss(base);
  await takeMap();
} finally {
  await browser.close();
  up.signal("SIGINT");
  await up.exited;
}

/** Takes the page's view of a run with missing spans. */
async function takeLoss(base: string): Promise<void> {
  const file = {
    name: "result.json",
    mimeType: "application/json",
    buffer: Buffer.from(JSON.stringify(await loseSpans())),
  };
  for (const colorScheme of ["light", "dark"] as const) {
    const context = await browser.newContext({ colorScheme, viewport: { width: 1280, height: 760 } });
    const tab = await context.newPage();
    await tab.goto(`${base}/?view=verify`);
    await tab.setInputFiles("input[type=file]", file);
    await tab.waitForTimeout(1500);
    await tab.screenshot({ path: pictureOf("loss", colorScheme) });
    await context.close();
  }
}

/** Runs the shop under load. For two seconds every eighth batch is answered with 202 and dropped. */
async function loseSpans(): Promise<VerifyResult> {
  const topology = parseTopology(await Bun.file(SHOP).text(), SHOP);
  const collector = startCollector({ host: "127.0.0.1", port: 0 });
  const backend = { kind: "collector", url: collector.url } as const;
  await using proxy = startFaultProxy(collector.url);
  await using chain = startChain(topology, {
    link: {
      target: { kind: "zipkin", url: proxy.url },
      randomOf: () => Math.random,
      reporter: { ...REPORTER_DEFAULTS, delayMs: 20 },
    },
  });
  let batches = 0;
  const startMs = Date.now();
  proxy.edit = (spans) => {
    const second = Math.floor((Date.now() - startMs) / 1000);
    return second >= 6 && second < 8 && ++batches % 8 === 0 ? null : spans;
  };
  const links = new Map(Array.from(chain.links, ([name, { url }]) => [name, url]));
  const result = await verifyRun({
    url: chain.url,
    backend,
    topology,
    requests: 3000,
    perSecond: 200,
    links,
  });
  await collector.stop();
  return result;
}

/** Three hundred links in ten layers, one of which is configured to fail. */
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
