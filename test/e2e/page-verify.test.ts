import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import type { PropagationResult } from "../../src/contract/propagation-result.ts";
import { LiveProof } from "../../src/local/live-proof.ts";
import { buildChain } from "../../src/topology/chain.ts";
import { newRunId, RunIds } from "../../src/trace/run.ts";
import type { Span } from "../../src/trace/span.ts";
import { graphOf } from "../../src/verify/judge/call-graph.ts";
import { ledgerOf } from "../../src/verify/judge/digest.ts";
import { toSeenSpan } from "../../src/verify/judge/seen-span.ts";
import { renderReportPage } from "../../src/verify/result/report-page.ts";
import { makeChain } from "../collector/spans.ts";

const CHROMIUM = "/usr/bin/chromium";
/** Returns pairs of overlapping texts about the export latency. */
const OVERLAPS = `(() => {
  const texts = [];
  const walker = document.createTreeWalker(document.querySelector(".export-latency"), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) texts.push({ text: node.textContent, box });
  }
  const isOver = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
  return texts.flatMap(({ text, box }, at) =>
    texts.slice(at + 1).filter((other) => isOver(box, other.box)).map((other) => text + " | " + other.text));
})()`;
const AXE = readFileSync(join(import.meta.dir, "../../node_modules/axe-core/axe.min.js"), "utf8");
const TIMEOUT_MS = 60_000;
const ids = new RunIds(newRunId());

if (!existsSync(CHROMIUM)) test.skip(`what verify finds is seen (install ${CHROMIUM} to run it)`, () => {});

describe.skipIf(!existsSync(CHROMIUM))("findings of verify in a browser", () => {
  let browser: Browser;
  let folder: string;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
    folder = mkdtempSync(join(tmpdir(), "chain-link-report-"));
  }, TIMEOUT_MS);
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /**
   * Starts a collector with the ledgers of five requests: four are complete, and one has missed a span for a long time.
   */
  const onPage = async (use: (page: Page, collector: Collector, proof: LiveProof) => Promise<void>) => {
    let nowMs = Date.now();
    let proof: LiveProof | null = null;
    const collector = startCollector({ host: "127.0.0.1", port: 0, proof: () => proof });
    const startMs = nowMs;
    const live = new LiveProof({
      header: { run: ids.runId, startMs, url: "http://127.0.0.1:1/<b>" },
      backend: "the collector",
      graph: () => graphOf(buildChain(3)),
      readTrace: (traceId) => collector.store.trace(traceId),
      pageOf: (traceId) => `${collector.url}/?trace=${traceId}`,
      counters: () => ({ links: new Map(), backend: null }),
      now: () => nowMs,
    });
    proof = live;
    for (let sequence = 0; sequence < 5; sequence++) {
      const spans = makeChain(ids.traceId(sequence), 3, startMs);
      const ledger = ledgerOf(spans.map(toSeenSpan));
      live.noteEnd({ sequence, endMs: 5, status: 200, ledger, isSampled: true, isBroken: false });
      await report(collector.url, sequence === 4 ? spans.slice(0, 4) : spans);
    }
    nowMs += 20_000;
    live.tick();
    const page = await browser.newPage();
    const errors: string[] = [];
    page.setDefaultTimeout(10_000);
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      const isMissing = /status of 404/.test(message.text());
      if (message.type() === "error" && !isMissing) errors.push(message.text());
    });
    try {
      await use(page, collector, live);
      expect(errors).toEqual([]);
    } finally {
      await page.close();
      await collector.stop();
    }
  };

  test(
    "the list and the trace show whether a trace is complete by its ledger, and which span is missing",
    () =>
      onPage(async (page, { url }) => {
        await page.goto(`${url}/?view=traces`);
        await page.locator(".proof.bad").waitFor();
        expect(await page.locator("a.trace .proof.good").count()).toBe(4);
        await page.locator("a.trace", { has: page.locator(".proof.bad") }).click();
        await page.getByText("incomplete by the ledger: 4 of 5 spans").waitFor();
        await page.getByText("misses SERVER of chain-link-service-2").waitFor();
        await page.goto(`${url}/?trace=${ids.traceId(0)}`);
        await page.getByText("complete by the ledger: 5 of 5 spans").waitFor();
      }),
    TIMEOUT_MS,
  );

  test(
    "the verify view follows the run: classes, the lost span on the graph, an example to open, and the end of the loss",
    () =>
      onPage(async (page, { url }) => {
        await page.goto(url);
        await page.getByRole("link", { name: "Verify" }).click();
        await page.getByRole("heading", { name: "Incomplete" }).waitFor();
        await page.getByText("1 span of 25 is missing, of 5 requests.").waitFor();
        await page.getByRole("img", { name: "4 complete, 1 partial" }).waitFor();
        expect(await page.getByRole("button", { name: /^chain-link-service-2/ }).textContent()).toContain(
          "misses 1 server",
        );
        expect(await page.locator(".edge.failing text").textContent()).toBe("1 lost");
        expect(await page.getByRole("link", { name: ids.traceId(4) }).getAttribute("href")).toBe(
          `?trace=${ids.traceId(4)}`,
        );
        await report(url, makeChain(ids.traceId(4), 3, Date.now()).slice(4));
        await page.getByRole("heading", { name: "Complete so far" }).waitFor();
      }),
    TIMEOUT_MS,
  );

  test(
    "the report shows the same view as one file, obeys its Content-Security-Policy and makes no request",
    () =>
      onPage(async (page, _collector, live) => {
        const result = { ...live.result().result, subject: "topology <i>shop</i>" };
        const file = join(folder, "report.html");
        const html = await renderReportPage(result);
        expect(html.length).toBeLessThan(200_000);
        await Bun.write(file, html);
        const asked: string[] = [];
        page.on("request", (request) => asked.push(request.url()));
        await page.goto(`file://${file}`);
        await page.getByRole("heading", { name: "Incomplete" }).waitFor();
        await page.getByText("http://127.0.0.1:1/<b>").waitFor();
        const began = new Date(result.startedMs).toISOString().slice(0, 16).replace("T", " ");
        expect(await page.title()).toBe(`topology <i>shop</i>: incomplete, ${began} UTC · chain-link verify`);
        const facts = (await page.locator(".occasion").textContent()) ?? "";
        expect(facts).toContain(`topology <i>shop</i>`);
        expect(facts).toContain(result.run);
        expect(facts).toMatch(/Began\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]\S*, for \d/);
        expect(asked).toEqual([`file://${file}`]);
        expect(JSON.parse((await page.locator("#result").textContent()) ?? "")).toEqual(
          JSON.parse(JSON.stringify(result)),
        );
        await expectAccessible(page);
      }),
    TIMEOUT_MS,
  );

  test(
    "export latencies of any number and size never overlap at any width",
    () =>
      onPage(async (page, _collector, live) => {
        const latency = { p50: 87.1, p90: 45_000, p99: 120_000 };
        const bounds = [0, 1, 2, 3, 4, 5].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));
        for (const count of [0, 3, 1_234_567_890]) {
          const buckets = bounds.map((upToMs, at) => ({ upToMs, count: at === 4 ? 1_000_000 : count }));
          const result = { ...live.result().result, exportLatencyMs: { ...latency, buckets } };
          await Bun.write(join(folder, "latency.html"), await renderReportPage(result));
          await page.goto(`file://${join(folder, "latency.html")}`);
          await page.locator(".export-latency").waitFor();
          for (const width of [280, 390, 861, 1000, 1600]) {
            await page.setViewportSize({ width, height: 800 });
            expect(await page.evaluate(OVERLAPS)).toEqual([]);
          }
        }
      }),
    TIMEOUT_MS,
  );

  test(
    "a result file opens, including one of --propagation; any other file is rejected with a message",
    () =>
      onPage(async (page, { url }, live) => {
        await page.goto(`${url}/?view=verify`);
        await page.getByRole("heading", { name: "Incomplete" }).waitFor();
        await expectAccessible(page);
        const open = (name: string, text: string) =>
          page
            .getByLabel("Open a result")
            .setInputFiles({ name, mimeType: "application/json", buffer: Buffer.from(text) });
        await open("x.json", "{}");
        await page.getByRole("alert").waitFor();
        const broken = { state: "broken", detail: "<b>began a new trace</b>", traceId: null } as const;
        const propagation: PropagationResult = {
          outcome: "broken",
          subject: null,
          url: "http://x/",
          startedMs: Date.now(),
          endedMs: Date.now(),
          judgedMs: Date.now(),
          backend: "Zipkin",
          requests: 2,
          edges: ["(verify) > a", "a > b"],
          forms: [
            {
              form: "b3 single",
              edges: { "(verify) > a": { ...broken, state: "kept", detail: null }, "a > b": broken },
            },
          ],
        };
        await open("propagation.json", JSON.stringify(propagation));
        await page.getByRole("heading", { name: "A form of context is not kept" }).waitFor();
        await page.getByText("<b>began a new trace</b>").waitFor();
        await expectAccessible(page);
        await open("result.json", JSON.stringify({ ...live.result().result, outcome: "could-not-tell" }));
        await page.getByRole("heading", { name: "Could not tell" }).waitFor();
        await page.getByRole("button", { name: "Close the file" }).click();
        await page.getByRole("heading", { name: "Incomplete" }).waitFor();
      }),
    TIMEOUT_MS,
  );
});

async function report(url: string, spans: readonly Span[]): Promise<void> {
  const response = await fetch(`${url}/api/v2/spans`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(spans),
  });
  expect(response.status).toBe(202);
}

async function expectAccessible(page: Page): Promise<void> {
  // Not with a script in the page, which its Content-Security-Policy would reject.
  const found = (await page.evaluate(`${AXE}; axe.run()`)) as {
    readonly violations: readonly {
      readonly id: string;
      readonly nodes: readonly { readonly html: string }[];
    }[];
  };
  expect(found.violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
}
