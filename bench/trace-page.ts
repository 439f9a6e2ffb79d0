/**
 * Time to open a trace in a browser, in our page and in Zipkin Lens.
 *
 *     bun bench/trace-page.ts [--rounds 3]
 *
 * - Scenario: the same trace of 100, 1,000 and 20,000 spans is in our collector and in a real Zipkin (in memory). One Chromium
 *   opens its address in each, in turns, in a fresh page.
 * - Metric: from the navigation until the first span's row is seen, ms, median; then frames a second while the rows are scrolled
 *   for two seconds.
 * - Asserted first: both answer the API with as many spans.
 * - Needs Chromium as /usr/bin/chromium and the Zipkin that `test/helpers/get-zipkin` fetches.
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { chromium, type Page } from "playwright-core";
import { startCollector } from "../src/collector/server.ts";
import type { Span } from "../src/trace/span.ts";
import { hexId } from "../test/collector/spans.ts";
import { startZipkin } from "../test/helpers/zipkin-server.ts";
import { median } from "./process.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "3" } } });
const SIZES = [100, 1000, 20_000];
const LIMIT_MS = 120_000;
const PART = 5000;

const collector = startCollector({ host: "127.0.0.1", port: 0, maxSpans: 100_000 });
const zipkin = await startZipkin();
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
try {
  for (const [index, size] of SIZES.entries()) {
    const traceId = hexId(Date.now() * 1000 + index);
    const spans = makeTrace(traceId, size);
    for (const base of [collector.url, zipkin.url]) {
      for (let from = 0; from < size; from += PART) {
        const body = JSON.stringify(spans.slice(from, from + PART));
        const response = await fetch(`${base}/api/v2/spans`, {
          method: "POST",
          body,
          headers: { "Content-Type": "application/json" },
        });
        assert.equal(response.status, 202);
      }
      await untilStored(base, traceId, size);
    }
    const ours: Opened[] = [];
    const lens: Opened[] = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      ours.push(await open(`${collector.url}/?trace=${traceId}`, ".rows"));
      lens.push(await open(`${zipkin.url}/zipkin/traces/${traceId}`, null));
    }
    const openMs = (list: readonly Opened[]) => median(list.map((one) => one.openMs));
    const frames = (list: readonly Opened[]) => median(list.map((one) => one.framesPerSecond));
    console.log(
      `${size} spans: ours ${openMs(ours).toFixed(0)} ms, Lens ${openMs(lens).toFixed(0)} ms, ratio ` +
        `${(openMs(lens) / openMs(ours)).toFixed(1)}; scrolling ${frames(ours).toFixed(0)} and ${frames(lens).toFixed(0)} frames a second`,
    );
  }
} finally {
  await browser.close();
  await zipkin.stop();
  await collector.stop();
}

interface Opened {
  readonly openMs: number;
  readonly framesPerSecond: number;
}

/** @param box what scrolls; `null`: whatever is highest of what can. */
async function open(url: string, box: string | null): Promise<Opened> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(LIMIT_MS);
  const began = performance.now();
  await page.goto(url);
  await page.getByText("operation-11").first().waitFor();
  const openMs = performance.now() - began;
  const framesPerSecond = await scroll(page, box);
  await page.close();
  return { openMs, framesPerSecond };
}

async function scroll(page: Page, box: string | null): Promise<number> {
  return (await page.evaluate(`new Promise((resolve) => {
    const all = [...document.querySelectorAll(${JSON.stringify(box ?? "*")})];
    const target = all.reduce((best, one) =>
      one.scrollHeight - one.clientHeight > best.scrollHeight - best.clientHeight ? one : best, document.documentElement);
    const start = performance.now();
    let frames = 0;
    const step = (now) => {
      frames++;
      target.scrollTop += 60;
      if (now - start < 2000) requestAnimationFrame(step);
      else resolve((frames * 1000) / (now - start));
    };
    requestAnimationFrame(step);
  })`)) as number;
}

/** Zipkin says 202 before it has stored. */
async function untilStored(base: string, traceId: string, size: number): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const response = await fetch(`${base}/api/v2/trace/${traceId}`);
    const found = response.ok ? ((await response.json()) as Span[]).length : 0;
    if (found === size) return;
    assert.ok(performance.now() < deadline, `${base} has ${found} of ${size} spans`);
    await Bun.sleep(100);
  }
}

/** Each span has up to ten children, all within their parent. */
function makeTrace(traceId: string, count: number): Span[] {
  const start = Date.now() * 1000 - 10_000_000;
  return Array.from({ length: count }, (_, index) => ({
    traceId,
    id: hexId(index + 1),
    ...(index > 0 && { parentId: hexId(Math.floor((index - 1) / 10) + 1) }),
    kind: index % 2 === 0 ? ("SERVER" as const) : ("CLIENT" as const),
    name: `operation-${index % 50}`,
    timestamp: start + index * 10,
    duration: Math.max(100, 1_000_000 - index * 40),
    localEndpoint: { serviceName: `service-${index % 40}` },
    tags: { "http.method": "GET", "http.path": "/forward" },
  }));
}
