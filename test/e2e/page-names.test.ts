import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import type { Span } from "../../src/trace/span.ts";
import { hexId } from "../collector/spans.ts";

const CHROMIUM = "/usr/bin/chromium";
const TIMEOUT_MS = 120_000;
const YEARS_US = 2000 * 365.25 * 24 * 3600 * 1e6;
const [NAMES, YEARS] = [hexId(1), hexId(2)];
/** A name of 5,000 characters that differs from others only at its end. */
const STATEMENT = `select ${"column_name, ".repeat(382)}from orders`;

/** Returns texts that overflow their boxes or the page, or that are truncated to dots. */
const MEASURE = `(() => {
  const problems = [];
  if (document.documentElement.scrollWidth > innerWidth) problems.push("the page scrolls sideways");
  for (const element of document.querySelectorAll("main *")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.textContent).join("").trim();
    const { width, left, right } = element.getBoundingClientRect();
    const { clipPath, visibility } = getComputedStyle(element);
    if (text === "" || width === 0 || clipPath !== "none" || visibility === "hidden" || element.closest("svg, select")) continue;
    const say = (problem) => problems.push(problem + ": " + (element.className || element.tagName) + " " + text.slice(0, 40));
    if (element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1) say("cut");
    if (element.clientHeight > 0 && element.scrollHeight > element.clientHeight + 6 && !/auto|scroll/.test(getComputedStyle(element).overflowY)) say("cut below");
    if (/^[….\\s]+$/.test(text)) say("nothing but dots");
    if (right > innerWidth + 1 && !element.closest(".drawing, .span-table")) say("outside");
    const box = element.closest(".node, .row .label, td");
    const around = box?.getBoundingClientRect();
    if (around !== undefined && (left < around.left - 1 || right > around.right + 1)) say("outside of its box");
  }
  return problems;
})()`;

/** Returns the visible name of each node and its height on the screen. */
const NODE_NAMES = `[...document.querySelectorAll(".node-name")].map((name) => ({
  text: (name.querySelector("[aria-hidden=true]") ?? name).textContent,
  height: name.getBoundingClientRect().height,
  isSeen: getComputedStyle(name).visibility === "visible",
}))`;

if (!existsSync(CHROMIUM)) test.skip(`long names stay readable (install ${CHROMIUM} to run it)`, () => {});

describe.skipIf(!existsSync(CHROMIUM))("long names and durations in a browser", () => {
  let browser: Browser;
  /** Three collectors: one with two strange traces, one with 60 services, one with 200. */
  let collectors: readonly [Collector, Collector, Collector];
  beforeAll(async () => {
    collectors = [0, 60, 200].map(() => startCollector({ host: "127.0.0.1", port: 0 })) as never;
    await report(collectors[0], [...longNames(), ...longTimes()]);
    await report(collectors[1], callsOf(60));
    await report(collectors[2], callsOf(200));
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  }, TIMEOUT_MS);
  afterAll(async () => {
    await browser?.close();
    for (const collector of collectors) await collector.stop();
  });

  const sizes = [
    { width: 1280, height: 800, colorScheme: "light" },
    { width: 390, height: 844, colorScheme: "dark" },
  ] as const;
  const onPage = async (size: (typeof sizes)[number], use: (page: Page) => Promise<void>) => {
    const { colorScheme, ...viewport } = size;
    const page = await browser.newPage({ viewport, colorScheme });
    page.setDefaultTimeout(10_000);
    try {
      await use(page);
    } finally {
      await page.close();
    }
  };
  const open = async (page: Page, collector: Collector, view: string) => {
    await page.goto(`${collector.url}/${view}`);
    await page.locator(".node, .row, a.trace, tbody td, .flame canvas").first().waitFor();
    // Wait two frames: one observes sizes, the next draws the names that fit.
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
  };

  test.each(sizes)(
    "at $width px no text is cut off or overflows, however long names and times are",
    (size) =>
      onPage(size, async (page) => {
        const views = ["", "?view=traces", "?link=acme-europe-west-1-payments-platform-ledger-checkout"];
        for (const trace of [NAMES, YEARS])
          views.push(`?trace=${trace}`, `?trace=${trace}&view=table`, `?trace=${trace}&view=flame`);
        views.push(`?trace=${NAMES}&span=${hexId(3)}`, `?trace=${NAMES}&root=${hexId(3)}`);
        views.push(`?compare=${NAMES},${YEARS}`, `?compare=${NAMES},${NAMES}`);
        const problems: Record<string, unknown> = {};
        for (const view of views) {
          await open(page, collectors[0], view);
          const found = (await page.evaluate(MEASURE)) as unknown[];
          if (found.length > 0) problems[view] = found;
        }
        expect(problems).toEqual({});
      }),
    TIMEOUT_MS,
  );

  test(
    "a row shows the start and end of a long name and omits the services' common prefix, but contains the full names",
    () =>
      onPage(sizes[0], async (page) => {
        await open(page, collectors[0], `?trace=${NAMES}`);
        const row = page.getByRole("treeitem").nth(3);
        const seen = await row.locator("[aria-hidden=true]").allTextContents();
        expect(seen.join(" ")).toMatch(/store-1 .*select .+….+orders 3/);
        expect(await row.textContent()).toContain(`${STATEMENT} 3`);
        expect((await page.getByRole("heading", { level: 1 }).boundingBox())?.height).toBeLessThan(100);
        await open(page, collectors[0], `?trace=${YEARS}`);
        await page.getByText("2,000 years").first().waitFor();
        expect(await page.locator(".axis .lane span").allTextContents()).toEqual([
          "0",
          "500 years",
          "1,000 years",
          "1,500 years",
          "2,000 years",
        ]);
      }),
    TIMEOUT_MS,
  );

  test.each([
    [1, sizes[0], ""],
    [1, sizes[1], ""],
    [2, sizes[0], "?group=none"],
    [2, sizes[0], ""],
    [2, sizes[1], ""],
  ] as const)(
    "every link of graph %d has a distinct and readable name: %o %s",
    (which, size, view) =>
      onPage(size, async (page) => {
        await open(page, collectors[which], view);
        expect(await page.evaluate(MEASURE)).toEqual([]);
        const names = (await page.evaluate(NODE_NAMES)) as {
          text: string;
          height: number;
          isSeen: boolean;
        }[];
        expect(names.length).toBe(view === "" && which === 2 ? 5 : ([0, 60, 200][which] as number));
        expect(new Set(names.map(({ text }) => text)).size).toBe(names.length);
        for (const { text, height, isSeen } of names) {
          expect(isSeen).toBe(true);
          expect(height).toBeGreaterThanOrEqual(9);
          expect(text).toMatch(/^[a-z]{3}/);
        }
      }),
    TIMEOUT_MS,
  );
});

/** A name of 54 characters. */
function serviceName(end: string): string {
  return `${"acme-europe-west-1-payments-platform-ledger-and-accounting-".slice(0, 53 - end.length)}-${end}`;
}

function longNames(): Span[] {
  const start = (Date.now() - 60_000) * 1000;
  const own = (index: number) => ({ serviceName: serviceName(index === 0 ? "checkout" : `store-${index}`) });
  const times = (index: number) => ({ timestamp: start + index * 1000, duration: 90_000 - 2000 * index });
  return Array.from({ length: 25 }, (_, index) => ({
    traceId: NAMES,
    id: hexId(index + 1),
    ...(index > 0 && { parentId: hexId(index) }),
    kind: index % 2 === 0 ? "SERVER" : "CLIENT",
    name: index % 5 === 4 ? "get" : `${STATEMENT} ${index}`,
    ...times(index),
    localEndpoint: own(Math.ceil(index / 2) - (index % 2)),
    ...(index % 2 === 1 && { remoteEndpoint: own(Math.ceil(index / 2)) }),
    ...(index === 7 && { tags: { error: "e".repeat(3000), "http.status_code": "5".repeat(300) } }),
  }));
}

function longTimes(): Span[] {
  const timestamp = (Date.now() - 60_000) * 1000;
  const common = { traceId: YEARS, timestamp };
  return [
    {
      ...common,
      id: hexId(1),
      kind: "SERVER",
      name: "live",
      duration: YEARS_US,
      localEndpoint: { serviceName: "m" },
    },
    {
      ...common,
      id: hexId(2),
      parentId: hexId(1),
      kind: "CLIENT",
      name: "get",
      duration: YEARS_US / 3,
      localEndpoint: { serviceName: "m" },
    },
    {
      ...common,
      id: hexId(3),
      parentId: hexId(2),
      kind: "SERVER",
      duration: 1,
      localEndpoint: { serviceName: "noah" },
    },
  ];
}

/** Returns a tree in which each service calls three others. */
function callsOf(services: number): Span[] {
  const teams = ["billing", "catalog", "search", "orders", "users"];
  const name = (index: number) => ({
    serviceName: `acme-europe-west-1-${teams[index % 5]}-service-v${index}`,
  });
  return Array.from({ length: services - 1 }, (_, index) => ({
    traceId: hexId(index + 1),
    id: hexId(1),
    kind: "CLIENT",
    timestamp: (Date.now() - 60_000) * 1000,
    duration: 10,
    localEndpoint: name(Math.floor(index / 3)),
    remoteEndpoint: name(index + 1),
  }));
}

async function report({ url }: Collector, spans: readonly Span[]): Promise<void> {
  const response = await fetch(`${url}/api/v2/spans`, { method: "POST", body: JSON.stringify(spans) });
  expect(response.status).toBe(202);
}
