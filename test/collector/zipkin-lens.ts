import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import { makeChain, newTraceId } from "./spans.ts";

const CHROMIUM = "/usr/bin/chromium";
// A browser takes seconds to start on a small machine.
const TIMEOUT_MS = 120_000;

/** Tests Zipkin's own page, served by a real Zipkin, on top of our collector, which answers all of its queries. */
export function describeLens(zipkinUrl: () => string): void {
  describe.skipIf(!existsSync(CHROMIUM))(`Zipkin Lens in front of our collector (needs ${CHROMIUM})`, () => {
    const chain = makeChain(newTraceId(), 3, Date.now() - 1000);
    const errors: string[] = [];
    let ours: Collector;
    let front: Bun.Server<undefined>;
    let browser: Browser;
    let page: Page;

    beforeAll(async () => {
      ours = startCollector({ host: "127.0.0.1", port: 0, autocompleteKeys: ["http.method"] });
      ours.store.add(chain);
      front = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        async fetch({ url }) {
          const { pathname, search } = new URL(url);
          const isData = /^\/zipkin\/(api\/|config\.json$)/.test(pathname);
          const answer = await fetch((isData ? ours.url : zipkinUrl()) + pathname + search);
          if (isData && !answer.ok) errors.push(`${answer.status} ${pathname}${search}`);
          const type = answer.headers.get("content-type") ?? "text/plain";
          return new Response(await answer.bytes(), {
            status: answer.status,
            headers: { "Content-Type": type },
          });
        },
      });
      browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
      page = await browser.newPage();
      page.setDefaultTimeout(TIMEOUT_MS / 2);
      page.on("pageerror", (error) => errors.push(error.message));
    }, TIMEOUT_MS);
    afterAll(async () => {
      await browser?.close();
      await front?.stop(true);
      await ours?.stop();
    });

    test(
      "a search finds a trace, and the trace shows its spans",
      async () => {
        await page.goto(`${front.url}zipkin/`);
        await page.getByRole("button", { name: /run query/i }).click();
        await page.getByText("1 Result").waitFor();
        await page.getByText("Show", { exact: true }).click();
        await page.getByText("Total Spans").waitFor();
        const text = await page.locator("body").innerText();
        for (const name of ["chain-link-service-0: forward", "chain-link-service-2: forward"])
          expect(text).toContain(name);
        expect(errors).toEqual([]);
      },
      TIMEOUT_MS,
    );

    test(
      "the dependencies page shows the dependencies",
      async () => {
        const answered = page.waitForResponse((response) => response.url().includes("/dependencies"));
        await page.goto(`${front.url}zipkin/dependency`);
        await page.getByRole("button", { name: /run query/i }).click();
        expect(await (await answered).json()).toHaveLength(2);
        expect(errors).toEqual([]);
      },
      TIMEOUT_MS,
    );
  });
}
