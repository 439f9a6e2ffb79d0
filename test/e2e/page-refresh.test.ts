import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import type { Span } from "../../src/trace/span.ts";
import { hexId, makeChain, newTraceId } from "../collector/spans.ts";

const CHROMIUM = "/usr/bin/chromium";
const TIMEOUT_MS = 60_000;
const HOUR_MS = 3_600_000;

if (!existsSync(CHROMIUM))
  test.skip(`the page shows what is so now (install ${CHROMIUM} to run it)`, () => {});

describe.skipIf(!existsSync(CHROMIUM))("the page while data changes", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  }, TIMEOUT_MS);
  afterAll(() => browser?.close());

  const onPage = async (use: (page: Page, collector: Collector) => Promise<void>) => {
    const collector = startCollector({ host: "127.0.0.1", port: 0 });
    const page = await browser.newPage();
    page.setDefaultTimeout(10_000);
    try {
      await use(page, collector);
    } finally {
      await page.close();
      await collector.stop();
    }
  };

  test(
    "Pause stops the refresh, but every search is answered, even with the same criteria",
    () =>
      onPage(async (page, { url }) => {
        const send = (serviceName: string) =>
          report(url, [
            {
              traceId: newTraceId(),
              id: hexId(1),
              timestamp: Date.now() * 1000,
              duration: 5,
              localEndpoint: { serviceName },
            },
          ]);
        await send("cart");
        await send("shop");
        await page.goto(`${url}/?view=traces`);
        const traces = page.locator("a.trace");
        await traces.nth(1).waitFor();
        await page.getByRole("button", { name: "Pause" }).click();
        await page.getByRole("combobox", { name: "Service" }).selectOption("cart");
        await traces.nth(1).waitFor({ state: "detached" });
        await send("cart");
        const asked: string[] = [];
        page.on("request", (request) => {
          if (request.url().includes("page/traces")) asked.push(request.url());
        });
        await Bun.sleep(2500);
        expect(asked).toEqual([]);
        expect(await traces.count()).toBe(1);
        await page.getByRole("button", { name: "Search" }).click();
        await traces.nth(1).waitFor();
        expect(asked).toHaveLength(1);
        // Sorting does not search again.
        await page.getByRole("link", { name: "Duration", exact: true }).click();
        await page.goBack();
        expect(asked).toHaveLength(1);
        await page.getByRole("button", { name: "Resume" }).click();
        await page.waitForRequest(/page\/traces/);
      }),
    TIMEOUT_MS,
  );

  test.each([-HOUR_MS, HOUR_MS])(
    "the graph of the last minute uses the collector's clock when the browser's is %d ms off",
    (offMs) =>
      onPage(async (page, { url }) => {
        await report(url, makeChain(newTraceId(), 3, Date.now() - 1000));
        await page.clock.install({ time: Date.now() + offMs });
        await page.goto(`${url}/?lookback=60000`);
        await page.getByText("3 links, 2 calls").waitFor();
        await page.goto(url);
        await page.getByRole("button", { name: /^chain-link-service-2/ }).waitFor();
        await page.getByLabel("When").selectOption("Between …");
        const before = await page.getByLabel("Before").inputValue();
        expect(Math.abs(Date.parse(before) - Date.now())).toBeLessThan(60_000);
      }),
    TIMEOUT_MS,
  );

  test(
    "nodes have the order of the document on every load, whichever data arrives first",
    () =>
      onPage(async (page, { url }) => {
        const names = ["front", "zebra", "ant", "mouse"];
        const calls = (service: string) => ({ service, probability: 1 });
        const topology = {
          name: "zoo",
          entry: "front",
          services: [
            { name: "front", calls: [calls("mouse"), calls("zebra"), calls("ant")], behavior: [] },
            ...names.slice(1).map((name) => ({ name, calls: [], behavior: [] })),
          ],
        };
        await report(
          url,
          ["mouse", "unheard", "ant", "zebra"].map((callee, index) => ({
            traceId: hexId(index + 1),
            id: hexId(1),
            kind: "CLIENT",
            timestamp: Date.now() * 1000 - 1000,
            duration: 10,
            localEndpoint: { serviceName: "front" },
            remoteEndpoint: { serviceName: callee },
          })),
        );
        const expected = [...names, "unheard"];
        for (const slow of ["api/topology", "page/dependencies", "api/live"]) {
          await page.unrouteAll();
          await page.route("**/api/topology", (route) => route.fulfill({ json: topology }));
          await page.route(`**/${slow}*`, async (route) => {
            await Bun.sleep(300);
            await route.fallback();
          });
          await page.goto(url);
          const nodes = page.locator(".node");
          await nodes.nth(4).waitFor();
          await page.waitForTimeout(400);
          const ids = () => nodes.evaluateAll((all) => all.map((one) => one.getAttribute("data-id")));
          expect(await ids()).toEqual(expected);
          await page.goto(`${url}/?lookback=60000`);
          await nodes.nth(4).waitFor();
          await page.waitForTimeout(400);
          expect(await ids()).toEqual(expected);
        }
      }),
    TIMEOUT_MS,
  );
});

async function report(url: string, spans: readonly Span[]): Promise<void> {
  const response = await fetch(`${url}/api/v2/spans`, { method: "POST", body: JSON.stringify(spans) });
  expect(response.status).toBe(202);
}
