import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import type { Span } from "../../src/trace/span.ts";
import { hexId, makeChain, newTraceId } from "../collector/spans.ts";

const CHROMIUM = "/usr/bin/chromium";

// A browser takes seconds to start on a small machine.
const TIMEOUT_MS = 60_000;

if (!existsSync(CHROMIUM)) test.skip(`the page works in a browser (install ${CHROMIUM} to run it)`, () => {});

describe.skipIf(!existsSync(CHROMIUM))("the page in a browser", () => {
  let browser: Browser;
  let collector: Collector;

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
  }, TIMEOUT_MS);
  afterAll(() => browser?.close());

  /** Runs against a collector of its own, and fails when the page logged an error or broke its policy. */
  const onPage = async (use: (page: Page) => Promise<void>, expectedErrors: readonly RegExp[] = []) => {
    collector = startCollector({ host: "127.0.0.1", port: 0 });
    const page = await browser.newPage();
    const errors: string[] = [];
    page.setDefaultTimeout(10_000);
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    page.on("dialog", (dialog) => {
      errors.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    try {
      await use(page);
      expect(errors.filter((error) => !expectedErrors.some((expected) => expected.test(error)))).toEqual([]);
    } finally {
      await page.close();
      await collector.stop();
    }
  };

  const report = async (spans: readonly Span[]) => {
    const body = JSON.stringify(spans);
    const response = await fetch(`${collector.url}/api/v2/spans`, { method: "POST", body });
    expect(response.status).toBe(202);
  };

  test(
    "an empty collector says what to do, and shows a trace as soon as there is one",
    () =>
      onPage(async (page) => {
        await page.goto(collector.url);
        await page.getByRole("heading", { name: "No traces yet" }).waitFor();
        expect(await page.getByText(`POST ${collector.url}/api/v2/spans`).count()).toBe(1);
        await report(makeChain(newTraceId(), 3, Date.now() - 1000));
        await page.getByRole("link", { name: "chain-link-service-0 forward" }).waitFor();
      }),
    TIMEOUT_MS,
  );

  test(
    "the list leads to a waterfall in which every span stands below its parent",
    () =>
      onPage(async (page) => {
        const traceId = newTraceId();
        await report(makeChain(traceId, 5, Date.now() - 1000).reverse());
        await page.goto(collector.url);
        const link = page.getByRole("link", { name: "chain-link-service-0" });
        expect(await link.textContent()).toMatch(/2\.00 ms[\s\S]*9[\s\S]*5/);
        await link.click();
        await page.waitForURL(`${collector.url}/?trace=${traceId}`);
        const rows = page.locator(".waterfall .row");
        await rows.first().waitFor();
        const labels = (await rows.locator(".label").allTextContents()).map((text) => text.trim());
        expect(labels).toHaveLength(9);
        expect(labels[0]).toBe("chain-link-service-0 forward");
        expect(labels[1]).toBe("chain-link-service-0 get");
        expect(labels[8]).toBe("chain-link-service-4 forward");

        const bars = await Promise.all((await rows.locator(".bar").all()).map((bar) => bar.boundingBox()));
        for (const [index, bar] of bars.entries()) {
          const parent = bars[index - 1];
          if (parent == null || bar === null) continue;
          expect(bar.x).toBeGreaterThan(parent.x);
          expect(bar.x + bar.width).toBeLessThan(parent.x + parent.width);
        }
        await page.getByRole("link", { name: "← Recent traces" }).click();
        await link.waitFor();
      }),
    TIMEOUT_MS,
  );

  test(
    "a span opens its tags and annotations with the keyboard alone",
    () =>
      onPage(async (page) => {
        const traceId = newTraceId();
        const [first, ...rest] = makeChain(traceId, 2, Date.now() - 1000) as [Span, ...Span[]];
        const annotations = [{ timestamp: (first.timestamp ?? 0) + 50, value: "cache miss" }];
        await report([{ ...first, annotations }, ...rest]);
        await page.goto(`${collector.url}/?trace=${traceId}`);
        const row = page.getByRole("button", { name: "chain-link-service-0 forward" });
        await row.focus();
        await page.keyboard.press("Enter");
        expect(await row.getAttribute("aria-expanded")).toBe("true");
        const details = await page.locator(".details").textContent();
        for (const text of ["SERVER", hexId(1), "http.status_code", "200", "cache miss", "+ 50 µs"]) {
          expect(details).toContain(text);
        }
        await page.keyboard.press("Enter");
        expect(await page.locator(".details").count()).toBe(0);
      }),
    TIMEOUT_MS,
  );

  test(
    "whatever a span contains is shown as text and does not run",
    () =>
      onPage(async (page) => {
        const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>"'>`;
        const traceId = newTraceId();
        const span: Span = {
          traceId,
          id: hexId(1),
          name: hostile,
          timestamp: Date.now() * 1000 - 1000,
          duration: 10,
          localEndpoint: { serviceName: `${hostile}service` },
          annotations: [{ timestamp: 1, value: hostile }],
          tags: { [hostile]: hostile, error: hostile, __proto: "a" },
        };
        await report([
          span,
          { ...span, id: hexId(2), parentId: hexId(1), tags: { large: "y".repeat(100_000) } },
        ]);

        await page.goto(collector.url);
        const link = page.locator("a.trace");
        expect(await link.textContent()).toContain(hostile);
        expect(await page.locator("option").last().textContent()).toBe(`${hostile}service`);
        await link.click();
        const row = page.locator(".row").first();
        await row.click();
        expect(await row.textContent()).toContain(hostile);
        const details = await page.locator(".details").textContent();
        expect(details?.match(/<img/g)).toHaveLength(5);
        await page.locator(".row").last().click();
        expect(await page.locator("main img, main script").count()).toBe(0);
        expect(await page.title()).not.toBe("owned");
        expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);

        await page.goto(`${collector.url}/?service=${encodeURIComponent(hostile)}`);
        await page.getByRole("heading", { name: "No traces of" }).waitFor();
        expect(await page.locator("main img, main script").count()).toBe(0);
      }),
    TIMEOUT_MS,
  );

  test(
    "the policy stops a script that got into the page",
    () =>
      onPage(
        async (page) => {
          await page.goto(collector.url);
          await page.evaluate(`
            const script = document.createElement("script");
            script.textContent = "document.title = 'owned'";
            document.body.append(script);
          `);
          expect(await page.title()).toBe("chain-link traces");
        },
        [/Content Security Policy/],
      ),
    TIMEOUT_MS,
  );

  test(
    "the service filter and the pause button do what they say",
    () =>
      onPage(async (page) => {
        const at = { timestamp: Date.now() * 1000 - 1000, duration: 5, id: hexId(1) };
        const [cart, shop] = [newTraceId(), newTraceId()];
        await report([
          { ...at, traceId: cart, localEndpoint: { serviceName: "cart" } },
          { ...at, traceId: shop, localEndpoint: { serviceName: "shop" } },
        ]);
        await page.goto(collector.url);
        await page.locator("a.trace").nth(1).waitFor();
        await page.getByRole("combobox").selectOption("cart");
        await page.waitForURL(`${collector.url}/?service=cart`);
        await page.locator("a.trace").waitFor();
        expect(await page.locator("a.trace").getAttribute("href")).toBe(`/?trace=${cart}`);

        await page.getByRole("button", { name: "Pause" }).click();
        const requests: string[] = [];
        page.on("request", (request) => requests.push(request.url()));
        await Bun.sleep(2500);
        expect(requests).toEqual([]);
        await page.getByRole("button", { name: "Resume" }).click();
        await page.waitForRequest(/page\/traces/);
      }),
    TIMEOUT_MS,
  );

  test(
    "a trace that is not there, or a collector that is gone, is explained",
    () =>
      onPage(
        async (page) => {
          await page.goto(`${collector.url}/?trace=abc`);
          await page.getByText("0000000000000abc not found").waitFor();
          await page.goto(`${collector.url}/?trace=%3Cb%3E`);
          await page.getByText("<b> should be lower-hex").waitFor();
          await page.goto(collector.url);
          await page.getByRole("heading", { name: "No traces yet" }).waitFor();
          await collector.stop();
          await page.getByText("Is chain-link still running?").first().waitFor();
        },
        [/Failed to load resource/],
      ),
    TIMEOUT_MS,
  );

  test(
    "1,999 spans on a phone: drawn within 5 seconds, no wider than the screen",
    () =>
      onPage(async (page) => {
        const traceId = newTraceId();
        await report(makeChain(traceId, 1000, Date.now() - 5000));
        await page.setViewportSize({ width: 390, height: 844 });
        const began = performance.now();
        await page.goto(`${collector.url}/?trace=${traceId}`);
        await page.locator(".row").nth(1998).waitFor({ state: "attached" });
        expect(performance.now() - began).toBeLessThan(5000);
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
        const deepest = page.locator(".row b").nth(1998);
        await deepest.scrollIntoViewIfNeeded();
        expect((await deepest.boundingBox())?.x).toBeLessThan(150);
      }),
    TIMEOUT_MS,
  );
});
