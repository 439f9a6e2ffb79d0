/**
 * Measures how long a trace takes to open in a browser, in our page and in Zipkin Lens, and the first paint and
 * the size of our page.
 *
 *     npm run bench:page -- [--rounds 3] [--sizes 100,1000,20000] [--write]
 *
 * - Scenario: the same trace of 100, 1,000 and 20,000 spans is in our collector and in a real Zipkin (in
 *   memory). One Chromium opens its address in each, in turns, in a fresh page. Lens opens the trace of 20,000
 *   spans only once, because that takes it a minute.
 * - Metric: ms from the navigation until a frame with a span's row was drawn, by the page's own clock; the
 *   median counts. (Playwright polls every half second after its first look, which would dominate the result.)
 * - A second later the rows are scrolled for two seconds: frames per second, and the share of late frames (over
 *   1.5 times the usual interval). An empty box shows what this browser drops on this machine in any case.
 * - First paint is the browser's own figure for the list of traces.
 * - Asserted first: both APIs return the same number of spans.
 * - Needs Chromium as /usr/bin/chromium and the Zipkin that `test/helpers/get-zipkin` fetches.
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { chromium, type Page } from "playwright-core";
import { startCollector } from "../src/collector/server.ts";
import type { Span } from "../src/trace/span.ts";
import { hexId } from "../test/collector/spans.ts";
import { findPageFiles } from "../test/helpers/page-files.ts";
import { startZipkin } from "../test/helpers/zipkin-server.ts";
import { describeMachine, renderTable, writePages } from "./page.ts";
import { median } from "./process.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    sizes: { type: "string", default: "100,1000,20000" },
    write: { type: "boolean", default: false },
  },
});
const SIZES = values.sizes.split(",").map(Number);
/** The goals of the page. */
const [OPEN_GOAL_MS, PAINT_GOAL_MS, SIZE_GOAL_BYTES] = [1000, 200, 150_000];
const LIMIT_MS = 120_000;
const PART = 5000;
/** Time between the display of a trace and the start of scrolling. */
const LOOK_MS = 1000;

/** Looks before each frame. A row that it finds is on the screen when the next frame begins. */
const NOTE_WHEN_SEEN = `(() => {
  const path = "//text()[contains(., 'operation-11')]";
  const look = () => {
    const isThere = document.body && document.evaluate(path, document.body, null, 9, null).singleNodeValue !== null;
    requestAnimationFrame(isThere ? (now) => { window.seenMs = now; } : look);
  };
  requestAnimationFrame(look);
})()`;

const collector = startCollector({ host: "127.0.0.1", port: 0, maxSpans: 100_000 });
const zipkin = await startZipkin();
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
const rows: string[][] = [];
const goals: string[] = [];
const say = (line: string) => {
  console.log(line);
  goals.push(line);
};
const meets = (isMet: boolean) => (isMet ? "met" : "MISSED");
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
    const empty: Scrolled[] = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      ours.push(await open(`${collector.url}/?trace=${traceId}`, ".rows"));
      if (size < 20_000 || round === 0) lens.push(await open(`${zipkin.url}/zipkin/traces/${traceId}`, null));
      empty.push(await scrollEmpty());
    }
    const openMs = (list: readonly Opened[]) => median(list.map((one) => one.openMs));
    const frames = (list: readonly Scrolled[]) => median(list.map((one) => one.framesPerSecond));
    const late = (list: readonly Scrolled[]) => median(list.map((one) => one.lateShare)) * 100;
    const row = [size.toLocaleString("en"), openMs(ours).toFixed(0), openMs(lens).toFixed(0)];
    row.push((openMs(lens) / openMs(ours)).toFixed(1), frames(ours).toFixed(0), frames(lens).toFixed(0));
    row.push(late(ours).toFixed(1), late(lens).toFixed(1), late(empty).toFixed(1));
    rows.push(row);
    console.log(row.join("  "));
    if (size === 20_000) {
      say(
        `A trace of 20,000 spans opens in ${openMs(ours).toFixed(0)} ms (goal: ${OPEN_GOAL_MS}): ${meets(openMs(ours) < OPEN_GOAL_MS)}.`,
      );
      say(
        `${late(ours).toFixed(1)} % of its frames are late while it scrolls, ${late(empty).toFixed(1)} % of an empty box's (goal: no more): ${meets(late(ours) - late(empty) < 0.05)}.`,
      );
    }
  }
  const paints: number[] = [];
  for (let round = 0; round < Number(values.rounds); round++)
    paints.push(await firstPaint(`${collector.url}/?view=traces`));
  say(
    `First paint after ${median(paints).toFixed(0)} ms (goal: ${PAINT_GOAL_MS}): ${meets(median(paints) < PAINT_GOAL_MS)}.`,
  );
  const bytes = await pageBytes(collector.url);
  say(
    `The page has ${(bytes / 1000).toFixed(0)} kB, gzipped (goal: 150): ${meets(bytes < SIZE_GOAL_BYTES)}.`,
  );
  const head = [
    "spans",
    "ours, ms",
    "Lens, ms",
    "ratio",
    "frames/s ours",
    "Lens",
    "late ours, %",
    "late Lens, %",
    "late empty, %",
  ];
  const judged = [...goals, `${describeMachine()}.`].map((line) => `- ${line}`);
  if (values.write) writePages("bench:page", renderTable(head, rows), judged);
} finally {
  await browser.close();
  await zipkin.stop();
  await collector.stop();
}

interface Scrolled {
  readonly lateShare: number;
  readonly framesPerSecond: number;
}

interface Opened extends Scrolled {
  readonly openMs: number;
}

/** @param box selector of the scrolled element; `null` scrolls the tallest scrollable element */
async function open(url: string, box: string | null): Promise<Opened> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(LIMIT_MS);
  await page.addInitScript(NOTE_WHEN_SEEN);
  await page.goto(url);
  await page.waitForFunction("window.seenMs !== undefined");
  const openMs = (await page.evaluate("window.seenMs")) as number;
  const scrolled = await scroll(page, box);
  await page.close();
  return { openMs, ...scrolled };
}

/** Scrolls a box as tall as a long trace, with nothing to draw. */
async function scrollEmpty(): Promise<Scrolled> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.setContent(
    '<div id="box" style="height: 700px; overflow: auto"><div style="height: 500000px"></div></div>',
  );
  const scrolled = await scroll(page, "#box");
  await page.close();
  return scrolled;
}

async function firstPaint(url: string): Promise<number> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(url);
  const ms = (await page.evaluate(`new Promise((resolve) => {
    const find = () => performance.getEntriesByName("first-contentful-paint")[0];
    const wait = () => find() ? resolve(find().startTime) : setTimeout(wait, 20);
    wait();
  })`)) as number;
  await page.close();
  return ms;
}

async function pageBytes(url: string): Promise<number> {
  let bytes = 0;
  for (const path of await findPageFiles(url)) {
    const response = await fetch(url + path, {
      headers: { "Accept-Encoding": "gzip" },
      decompress: false,
    } as RequestInit);
    bytes += (await response.arrayBuffer()).byteLength;
  }
  return bytes;
}

async function scroll(page: Page, box: string | null): Promise<Scrolled> {
  await page.waitForTimeout(LOOK_MS);
  return (await page.evaluate(`new Promise((resolve) => {
    const all = [...document.querySelectorAll(${JSON.stringify(box ?? "*")})];
    const target = all.reduce((best, one) =>
      one.scrollHeight - one.clientHeight > best.scrollHeight - best.clientHeight ? one : best, document.documentElement);
    let start = 0;
    const gaps = [];
    let last = 0;
    const step = (now) => {
      start ||= now;
      gaps.push(now - last);
      last = now;
      target.scrollTop += 60;
      if (now - start < 2000) return requestAnimationFrame(step);
      const sorted = gaps.slice(1).sort((a, b) => a - b);
      const usual = sorted[Math.floor(sorted.length / 2)];
      resolve({
        framesPerSecond: (gaps.length * 1000) / (now - start),
        lateShare: sorted.filter((gap) => gap > usual * 1.5).length / Math.max(1, sorted.length),
      });
    };
    requestAnimationFrame(step);
  })`)) as Scrolled;
}

/** Zipkin answers 202 before it has stored the spans. */
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

/** Each span has up to ten children, all within their parent's time. */
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
