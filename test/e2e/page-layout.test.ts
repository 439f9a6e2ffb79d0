import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import type { Listing } from "../../src/contract/listing.ts";
import { eventually, type RunningUp, startUp } from "../helpers/cli.ts";

const CHROMIUM = "/usr/bin/chromium";
// A browser takes seconds to start on a small machine.
const TIMEOUT_MS = 120_000;

/** The limit that web.dev calls good. The presets appear once the token is verified, and cause 0.03 to 0.08. */
const MAX_SHIFT = 0.1;

/** Sums up the layout shifts without user input. */
const WATCH_SHIFTS = `
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries())
      if (!hadRecentInput) window.shifts.push([value, sources.map(({ node }) => (node?.nodeType === 1 ? node : node?.parentElement)?.className)]);
  }).observe({ type: "layout-shift", buffered: true });
`;

describe.skipIf(!existsSync(CHROMIUM))("the layout of the page of a running chain", () => {
  let up: RunningUp;
  let browser: Browser;
  let views: Record<string, string>;

  beforeAll(async () => {
    up = await startUp(["--instances", "4", "--slow", "off", "--port", "0", "--rate", "10/s"]);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
    const [a, b] = await eventually(async () => {
      const response = await fetch(`${up.facts.collector}/page/traces?limit=10`);
      const { traces } = (await response.json()) as Listing;
      const whole = traces.filter(({ spanCount }) => spanCount === 7);
      return whole.length >= 2 ? whole.map(({ traceId }) => traceId) : undefined;
    }, 30_000);
    views = {
      graph: "./",
      link: "?link=chain-link-service-1",
      past: "?lookback=3600000",
      traces: "?view=traces",
      trace: `?trace=${a}`,
      table: `?trace=${a}&view=table`,
      flame: `?trace=${a}&view=flame`,
      compare: `?compare=${a},${b}`,
      verify: "?view=verify",
      control: "?view=control",
    };
  }, TIMEOUT_MS);
  afterAll(async () => {
    await browser?.close();
    up?.signal("SIGINT");
    await up?.exited;
  });

  const eachView = async (width: number, look: (page: Page, name: string) => Promise<void>) => {
    const page = await browser.newPage({ viewport: { width, height: 844 } });
    await page.addInitScript(WATCH_SHIFTS);
    await page.goto(up.facts.page ?? "");
    for (const [name, address] of Object.entries(views)) {
      await page.goto(new URL(address, up.facts.collector).href);
      await page.getByRole("link", { name: "Load & faults" }).waitFor();
      await page.locator(".node, .row, a.trace, tbody td, .flame, .verify, .presets").first().waitFor();
      await look(page, name);
    }
    await page.close();
  };

  test(
    "no view is wider than a phone",
    async () => {
      const widths: Record<string, unknown> = {};
      await eachView(390, async (page, name) => {
        widths[name] = await page.evaluate("document.documentElement.scrollWidth");
      });
      expect(widths).toEqual(Object.fromEntries(Object.keys(views).map((name) => [name, 390])));
    },
    TIMEOUT_MS,
  );

  test(
    "tools on a phone are above the graph and do not overlap",
    async () => {
      const page = await browser.newPage({ viewport: { width: 390, height: 844 } });
      await page.goto(up.facts.page ?? "");
      await page.getByRole("button", { name: "Kill a link" }).waitFor();
      await page.locator(".node").first().click();
      await page.locator(".panel").waitFor();
      const boxes = await Promise.all(
        [".totals", ".presets", ".drawing-box", ".panel"].map((part) => page.locator(part).boundingBox()),
      );
      for (const [index, box] of boxes.slice(1).entries()) {
        const above = boxes[index];
        expect(box?.y).toBeGreaterThanOrEqual((above?.y ?? 0) + (above?.height ?? 0));
      }
      await page.close();
    },
    TIMEOUT_MS,
  );

  test(
    "nothing shifts while a view fills or numbers arrive",
    async () => {
      const jumping: string[] = [];
      await eachView(1280, async (page, name) => {
        // New traces arrive above the others, which is the purpose of a live list.
        if (name === "traces") await page.getByRole("button", { name: "Pause" }).click();
        // Two seconds of live numbers.
        await page.waitForTimeout(2500);
        const shifts = (await page.evaluate("window.shifts")) as [number, unknown][];
        const sum = shifts.reduce((total, [value]) => total + value, 0);
        if (sum > MAX_SHIFT) jumping.push(`${name} ${sum.toFixed(3)} ${JSON.stringify(shifts)}`);
      });
      expect(jumping).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "the page requests a trace once, with the preload in its own HTML",
    async () => {
      const page = await browser.newPage();
      const asked: string[] = [];
      page.on("request", (request) => asked.push(new URL(request.url()).pathname));
      const response = await page.goto(new URL(views.trace ?? "", up.facts.collector).href);
      await page.getByRole("treeitem").first().waitFor();
      const path = `/api/v2/trace/${new URLSearchParams(views.trace).get("trace")}`;
      expect(response?.headers().link).toBe(`<${path.slice(1)}>; rel=preload; as=fetch; crossorigin`);
      expect(asked.filter((one) => one === path)).toHaveLength(1);
      await page.close();
      const hostile = await fetch(`${up.facts.collector}/?trace=${encodeURIComponent("a>; rel=x, <b")}`);
      expect(hostile.headers.get("link")).toBeNull();
    },
    TIMEOUT_MS,
  );
});
