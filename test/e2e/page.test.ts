import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import { formatCount } from "../../src/lib/count.ts";
import { readTraceFile } from "../../src/trace/file/read-trace-file.ts";
import type { Span } from "../../src/trace/span.ts";
import { hexId, makeChain, newTraceId } from "../collector/spans.ts";
import { eventually } from "../helpers/cli.ts";
import { findPageFiles } from "../helpers/page-files.ts";

const CHROMIUM = "/usr/bin/chromium";
const AXE = readFileSync(join(import.meta.dir, "../../node_modules/axe-core/axe.min.js"), "utf8");

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

  /** Runs against its own collector, and fails if the page logs an error or violates its Content-Security-Policy. */
  const onPage = async (use: (page: Page) => Promise<void>, expectedErrors: readonly RegExp[] = []) => {
    collector = startCollector({ host: "127.0.0.1", port: 0 });
    const page = await browser.newPage();
    const errors: string[] = [];
    page.setDefaultTimeout(10_000);
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      // Not every collector has control, a topology or all queries. The page asks for them and works without them.
      const isMissing =
        /status of 404/.test(message.text()) &&
        /api\/(control|topology|verify|v2\/(dependencies|remoteServices))/.test(message.location().url);
      if (message.type() === "error" && !isMissing) errors.push(message.text());
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
    "the page of an empty collector says what to do, and shows a trace as soon as one arrives",
    () =>
      onPage(async (page) => {
        await page.goto(`${collector.url}/?view=traces`);
        await page.getByRole("heading", { name: "No traces yet" }).waitFor();
        expect(await page.getByText(`POST ${collector.url}/api/v2/spans`).count()).toBe(1);
        await report(makeChain(newTraceId(), 3, Date.now() - 1000));
        await page.getByRole("link", { name: "chain-link-service-0 forward" }).waitFor();
      }),
    TIMEOUT_MS,
  );

  test(
    "a view or a trace file that cannot load a part of the page because the collector is gone says so",
    () =>
      onPage(
        async (page) => {
          await page.goto(`${collector.url}/?view=traces`);
          await page.getByRole("heading", { name: "No traces yet" }).waitFor();
          await collector.stop();
          await page
            .getByLabel("Open a file")
            .setInputFiles({ name: "a.json", mimeType: "application/json", buffer: Buffer.from("[]") });
          await page.getByText("The reader of trace files cannot be loaded").waitFor();
          for (const [link, title] of [
            ["Verify", "This view cannot be loaded"],
            ["Graph", "The graph cannot be loaded"],
          ] as const) {
            await page.getByRole("link", { name: link, exact: true }).click();
            await page.getByRole("heading", { name: title }).waitFor();
          }
          expect(await page.getByRole("button", { name: "Reload the page" }).count()).toBe(1);
        },
        [/ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|ERR_INCOMPLETE_CHUNKED_ENCODING/],
      ),
    TIMEOUT_MS,
  );

  test(
    "the list is sorted by the chosen column, and the address keeps the order",
    () =>
      onPage(async (page) => {
        const lengths = [2, 7, 4];
        for (const [age, links] of lengths.entries()) {
          await report(makeChain(newTraceId(), links, Date.now() - 1000 * (age + 1)));
        }
        const spans = () =>
          page
            .locator("a.trace .spans")
            .evaluateAll((all) => all.map((one) => Number.parseInt(one.textContent ?? "", 10)));
        await page.goto(`${collector.url}/?view=traces`);
        await page.locator("a.trace").nth(2).waitFor();
        expect(await spans()).toEqual([3, 13, 7]);
        const bySpans = page.getByRole("link", { name: "Spans", exact: true });
        await bySpans.click();
        expect(await bySpans.getAttribute("aria-current")).toBe("true");
        expect(await spans()).toEqual([13, 7, 3]);
        await page.reload();
        await page.locator("a.trace").nth(2).waitFor();
        expect(await spans()).toEqual([13, 7, 3]);
        await page.getByRole("link", { name: "Started" }).click();
        expect(await spans()).toEqual([3, 13, 7]);
      }),
    TIMEOUT_MS,
  );

  test(
    "traces of a file are listed, opened and compared in the page; any other file is rejected with a message",
    () =>
      onPage(async (page) => {
        await page.goto(`${collector.url}/?view=traces`);
        const open = (name: string, text: string) =>
          page
            .getByLabel("Open a file")
            .setInputFiles({ name, mimeType: "application/json", buffer: Buffer.from(text) });
        await open("x.json", '[{"traceId":"<b>"}]');
        const refused = page.getByRole("alert");
        expect(await refused.textContent()).toContain(
          "x.json has no traces that can be shown: 1 span rejected",
        );
        await open("x.html", "<!doctype html>");
        await page
          .getByText("x.html has no traces that can be shown: expected a JSON list of spans")
          .waitFor();
        expect(await refused.textContent()).toContain("found a web page or XML");
        const long = 8 * 24 * 3600 * 1000;
        const traces = [2, 5].map((links) => makeChain(newTraceId(), links, Date.now() - long));
        await open("run.json", JSON.stringify(traces));
        await page.getByText("2 traces from the file run.json").waitFor();
        expect(await page.getByRole("alert").count()).toBe(0);
        await page.getByRole("link", { name: "Spans", exact: true }).click();
        await page.locator("a.trace").first().click();
        await page.getByRole("treeitem").first().waitFor();
        expect(await page.getByRole("treeitem").count()).toBe(9);
        // The collector does not have this trace.
        expect(await page.getByRole("link", { name: "JSON" }).count()).toBe(0);
        await page.goBack();
        for (const box of await page.getByRole("checkbox").all()) await box.check();
        await page.getByRole("link", { name: "Compare the two" }).click();
        await page.getByText("6 spans only in A").waitFor();
        await page.goBack();
        await page.getByRole("button", { name: "Close the file" }).click();
        await page.getByRole("heading", { name: "No traces yet" }).waitFor();
      }),
    TIMEOUT_MS,
  );

  test(
    "a file of each format shows as many traces and spans as an import reads from it",
    () =>
      onPage(async (page) => {
        await page.goto(`${collector.url}/?view=traces`);
        const folder = join(import.meta.dir, "../fixtures/trace-files");
        const lines = readFileSync(join(folder, "c07-zipkin-ndjson.json"), "utf8").trim().split("\n");
        const files = [
          "c04-otlp-pretty.json",
          "c05-zipkin-bom.json",
          "c07-zipkin-ndjson.json",
          "c10-jaeger.json",
          "c11-tempo-batches.json",
          "c13-jaeger-v3.json",
          "c29-otlp-badid.jsonl",
          "p01-numtag.json",
          "p02-dups.json",
        ].map((name) => ({ name, buffer: readFileSync(join(folder, name)) }));
        files.push({
          name: "two-members.json.gz",
          buffer: Buffer.concat(lines.map((line) => gzipSync(line))),
        });
        files.push({ name: "utf-16.json", buffer: Buffer.from(`\ufeff${lines.join("\r\n")}`, "utf16le") });
        for (const file of files) {
          await page.getByLabel("Open a file").setInputFiles({ ...file, mimeType: "application/json" });
          const { spans } = readTraceFile(new Uint8Array(file.buffer));
          const traces = new Set(spans.map(({ traceId }) => traceId)).size;
          await page.getByText(`${formatCount(traces, "trace")} from the file ${file.name}`).waitFor();
          const shown = await page.locator("a.trace .spans").allTextContents();
          expect(shown.reduce((sum, text) => sum + Number.parseInt(text, 10), 0)).toBe(spans.length);
          const problem = file.name.startsWith("c29") ? "1 span rejected: a trace id is not 16 bytes" : null;
          expect(await page.getByRole("alert").allTextContents()).toEqual(
            problem === null ? [] : [`${file.name}: ${problem}.`],
          );
        }
      }),
    TIMEOUT_MS,
  );

  test(
    "the list opens a waterfall in which every span is below its parent",
    () =>
      onPage(async (page) => {
        const traceId = newTraceId();
        await report(makeChain(traceId, 5, Date.now() - 1000).reverse());
        await page.goto(`${collector.url}/?view=traces`);
        const link = page.getByRole("link", { name: "chain-link-service-0" });
        expect(await link.textContent()).toMatch(/2\.00 ms[\s\S]*9[\s\S]*5/);
        await link.click();
        await page.waitForURL(`${collector.url}/?trace=${traceId}`);
        const rows = page.getByRole("treeitem");
        await rows.first().waitFor();
        const names = await rows.evaluateAll((all) => all.map((row) => row.getAttribute("aria-label")));
        expect(names).toHaveLength(9);
        expect(names[0]).toStartWith("chain-link-service-0 forward 2.00 ms");
        expect(names[1]).toStartWith("chain-link-service-0 get");
        expect(names[8]).toStartWith("chain-link-service-4 forward");
        expect(await rows.evaluateAll((all) => all.map((row) => row.getAttribute("aria-level")))).toEqual([
          "1",
          "2",
          "3",
          "4",
          "5",
          "6",
          "7",
          "8",
          "9",
        ]);

        const bars = await Promise.all(
          (await page.locator(".row .bar").all()).map((bar) => bar.boundingBox()),
        );
        for (const [index, bar] of bars.entries()) {
          const parent = bars[index - 1];
          if (parent == null || bar === null) continue;
          expect(bar.x).toBeGreaterThan(parent.x);
          expect(bar.x + bar.width).toBeLessThan(parent.x + parent.width);
        }
        await page.goBack();
        await link.waitFor();
      }),
    TIMEOUT_MS,
  );

  test(
    "the keyboard alone navigates, collapses and re-roots a trace and reads its spans; the address keeps the state",
    () =>
      onPage(async (page) => {
        const traceId = newTraceId();
        const [first, ...rest] = makeChain(traceId, 3, Date.now() - 1000) as [Span, ...Span[]];
        const annotations = [{ timestamp: (first.timestamp ?? 0) + 50, value: "cache miss" }];
        await report([{ ...first, annotations }, ...rest]);
        await page.goto(`${collector.url}/?trace=${traceId}`);
        await page.locator("[role=tree]:focus").waitFor();
        await page.keyboard.press("ArrowDown");
        const details = page.getByRole("complementary", { name: "Span details" });
        const text = await details.textContent();
        for (const part of ["SERVER", hexId(1), "http.status_code", "200", "cache miss", "+ 50 µs"]) {
          expect(text).toContain(part);
        }
        await page.keyboard.press("ArrowDown");
        await page.keyboard.press("ArrowDown");
        expect(new URL(page.url()).searchParams.get("span")).toBe(hexId(3));
        await page.keyboard.press("ArrowLeft");
        expect(await page.getByRole("treeitem").count()).toBe(3);
        await page.keyboard.press("ArrowRight");
        expect(await page.getByRole("treeitem").count()).toBe(5);
        await page.keyboard.press("r");
        expect(await page.getByRole("treeitem").count()).toBe(3);
        await page.reload();
        expect(await page.getByRole("treeitem").count()).toBe(3);
        await page.keyboard.press("t");
        const rows = page.getByRole("region", { name: "Spans as a table" }).locator("tbody tr");
        await rows.first().waitFor();
        expect(await rows.count()).toBe(3);
        await page.keyboard.press("f");
        await page.locator(".flame canvas").waitFor();
        await page.keyboard.press("?");
        await page.getByRole("dialog", { name: "Keys" }).waitFor();
        await page.keyboard.press("Escape");
        await page.getByRole("dialog", { name: "Keys" }).waitFor({ state: "hidden" });
      }),
    TIMEOUT_MS,
  );

  test(
    "Esc returns from a trace to its search, and j continues after it, whatever arrived above",
    () =>
      onPage(async (page) => {
        const name = `back-${newTraceId().slice(0, 8)}`;
        const send = (ageMs: number) =>
          report(
            makeChain(newTraceId(), 1, Date.now() - ageMs).map((span) => ({
              ...span,
              localEndpoint: { serviceName: name },
            })),
          );
        for (const ageMs of [9000, 8000, 7000]) await send(ageMs);
        const search = `?view=traces&serviceName=${name}`;
        await page.goto(`${collector.url}/${search}`);
        const links = page.locator("a.trace[href]");
        await eventually(async () => (await links.count()) === 3 || undefined);
        const hrefs = await links.evaluateAll((all) => all.map((link) => link.getAttribute("href")));
        await page.keyboard.press("j");
        await page.keyboard.press("j");
        await page.keyboard.press("Enter");
        await page.locator("[role=tree]:focus").waitFor();
        expect(new URL(page.url()).search).toBe(hrefs[1] ?? "");
        await send(1000);
        await page.keyboard.press("Escape");
        await eventually(async () => (await links.count()) === 4 || undefined);
        expect(new URL(page.url()).search).toBe(search);
        await page.keyboard.press("j");
        expect(await page.locator("a.trace:focus").getAttribute("href")).toBe(hrefs[2] ?? "");
      }),
    TIMEOUT_MS,
  );

  test(
    "the content of a span is shown as text and never runs",
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

        await page.goto(`${collector.url}/?view=traces`);
        const link = page.locator("a.trace");
        expect(await link.textContent()).toContain(hostile);
        expect(await page.locator("select[name=serviceName] option").last().textContent()).toBe(
          `${hostile}service`,
        );
        await link.click();
        const row = page.getByRole("treeitem").first();
        await row.click();
        expect(await row.textContent()).toContain(hostile);
        const details = await page.locator(".panel .fields").allTextContents();
        expect(details.join("").match(/<img/g)).toHaveLength(5);
        await page.getByRole("treeitem").last().click();
        expect(await page.locator("main img, main script").count()).toBe(0);
        expect(await page.title()).not.toBe("owned");
        expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);

        await page.goto(`${collector.url}/?view=traces&serviceName=${encodeURIComponent(hostile)}`);
        await page.getByRole("heading", { name: "No matching traces" }).waitFor();
        expect(await page.locator("main img, main script").count()).toBe(0);
      }),
    TIMEOUT_MS,
  );

  test(
    "the Content-Security-Policy blocks an injected script",
    () =>
      onPage(
        async (page) => {
          await page.goto(collector.url);
          await page.evaluate(`
            const script = document.createElement("script");
            script.textContent = "document.title = 'owned'";
            document.body.append(script);
          `);
          expect(await page.title()).toBe("chain-link");
        },
        [/Content Security Policy/],
      ),
    TIMEOUT_MS,
  );

  test(
    "the service filter shows only matching services",
    () =>
      onPage(async (page) => {
        const at = { timestamp: Date.now() * 1000 - 1000, duration: 5, id: hexId(1) };
        const [cart, shop] = [newTraceId(), newTraceId()];
        await report([
          { ...at, traceId: cart, localEndpoint: { serviceName: "cart" } },
          { ...at, traceId: shop, localEndpoint: { serviceName: "shop" } },
        ]);
        await page.goto(`${collector.url}/?view=traces`);
        await page.locator("a.trace").nth(1).waitFor();
        await page.getByRole("combobox", { name: "Service" }).selectOption("cart");
        await page.waitForURL(`${collector.url}/?view=traces&serviceName=cart`);
        await page.locator("a.trace").nth(1).waitFor({ state: "detached" });
        expect(await page.locator("a.trace").getAttribute("href")).toBe(`?trace=${cart}`);
      }),
    TIMEOUT_MS,
  );

  test(
    "the page explains a missing trace and an unreachable collector",
    () =>
      onPage(
        async (page) => {
          await page.goto(`${collector.url}/?trace=abc`);
          await page.getByText("0000000000000abc not found").waitFor();
          await page.goto(`${collector.url}/?trace=%3Cb%3E`);
          await page.getByText("<b> should be lower-hex").waitFor();
          await page.goto(`${collector.url}/?view=traces`);
          await page.getByRole("heading", { name: "No traces yet" }).waitFor();
          await collector.stop();
          await page.getByText("Is chain-link still running?").first().waitFor();
        },
        [/Failed to load resource/],
      ),
    TIMEOUT_MS,
  );

  test(
    "a trace of 1,999 spans fits a phone's screen, and only visible rows are in the document",
    () =>
      onPage(async (page) => {
        const traceId = newTraceId();
        await report(makeChain(traceId, 1000, Date.now() - 5000));
        await page.setViewportSize({ width: 390, height: 844 });
        await page.goto(`${collector.url}/?trace=${traceId}`);
        await page.getByRole("treeitem").first().waitFor();
        expect(await page.getByRole("treeitem").count()).toBeLessThan(100);
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
        await page.getByRole("tree").focus();
        await page.keyboard.press("End");
        const deepest = page.getByRole("treeitem", { name: "chain-link-service-999 forward" });
        await deepest.waitFor();
        expect((await deepest.locator("b").boundingBox())?.x).toBeLessThan(190);
      }),
    TIMEOUT_MS,
  );

  test(
    "the graph shows who calls whom; a link opens with its numbers, by mouse and by keyboard",
    () =>
      onPage(async (page) => {
        await page.goto(collector.url);
        await page.getByRole("heading", { name: "No services yet" }).waitFor();
        await report(makeChain(newTraceId(), 3, Date.now() - 100));
        const first = page.getByRole("button", { name: /^chain-link-service-0/ });
        await first.waitFor();
        await page.getByRole("button", { name: /^chain-link-service-2/ }).waitFor();
        expect(await page.locator(".edge path").count()).toBe(2);
        await first.focus();
        await page.keyboard.press("ArrowRight");
        await page.keyboard.press("Enter");
        await page.getByRole("complementary", { name: "About chain-link-service-1" }).waitFor();
        expect(new URL(page.url()).searchParams.get("link")).toBe("chain-link-service-1");
        await page.getByRole("img", { name: /^Latency/ }).waitFor();
        await page.keyboard.press("Escape");
        await page.getByRole("complementary").waitFor({ state: "detached" });
      }),
    TIMEOUT_MS,
  );

  test(
    "the graph of a past time shows its calls and errors, however long ago it was",
    () =>
      onPage(async (page) => {
        const day = 24 * 3600 * 1000;
        const then = Math.floor(Date.now() / 1000) * 1000 - 40 * day;
        for (const index of [0, 1, 2]) {
          const spans = makeChain(newTraceId(), 3, then + index * 1000);
          const last = (span: Span) => span.localEndpoint?.serviceName === "chain-link-service-2";
          await report(
            index > 0 ? spans : spans.map((it) => (last(it) ? { ...it, tags: { error: "500" } } : it)),
          );
        }
        await report(makeChain(newTraceId(), 2, Date.now() - 1000));
        await page.goto(`${collector.url}/?lookback=3600000&endTs=${then + 1500}`);
        await page.getByText("3 links, 4 calls").waitFor();
        const node = page.getByRole("button", { name: /^chain-link-service-2/ });
        expect(await node.textContent()).toBe("chain-link-service-22calls50 %errors");
        expect(await page.locator(".edge text").allTextContents()).toEqual(["2", "2"]);
        await node.click();
        const panel = page.getByRole("complementary", { name: "About chain-link-service-2" });
        expect(await panel.getByRole("row").allTextContents()).toEqual(["chain-link-service-12 calls50 %"]);
        await panel.locator(".traces-short li").nth(1).waitFor();
        await page.keyboard.press("Escape");
        await panel.waitFor({ state: "detached" });

        // The fields show the values of the address, and one more second adds the third trace.
        const before = page.getByLabel("Before");
        const until = new Date(then + 2500 - new Date(then).getTimezoneOffset() * 60_000);
        await before.fill(until.toISOString().slice(0, -1));
        await page.getByRole("button", { name: "Show", exact: true }).click();
        await page.getByText("3 links, 6 calls").waitFor();
        expect(new URL(page.url()).searchParams.get("endTs")).toBe(String(then + 2500));
        await page.getByLabel("When").selectOption("Last hour");
        await page.getByText("2 links, 1 call", { exact: true }).waitFor();
        expect(new URL(page.url()).search).toBe("?lookback=3600000");
        await page.getByLabel("When").selectOption("Last minute");
        await page.getByLabel("When").selectOption("Live");
        await page.getByText("in the last second").waitFor();
        expect(new URL(page.url()).search).toBe("");
        await page.goto(`${collector.url}/?lookback=60000&endTs=${then - day}`);
        await page.getByRole("heading", { name: "No calls in this period" }).waitFor();
      }),
    TIMEOUT_MS,
  );

  test(
    "traces of a past time are found between two times",
    () =>
      onPage(async (page) => {
        const then = Math.floor(Date.now() / 1000) * 1000 - 40 * 24 * 3600 * 1000;
        await report(makeChain(newTraceId(), 3, then));
        await page.goto(`${collector.url}/?view=traces`);
        await page.getByRole("heading", { name: "No traces yet" }).waitFor();
        await page.getByLabel("When").selectOption("Between …");
        const local = (ms: number) =>
          new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
        // Swapped: the time between them counts in either order.
        await page.getByLabel("After").fill(local(then + 5000));
        await page.getByLabel("Before").fill(local(then - 5000));
        await page.getByRole("button", { name: "Search" }).click();
        await page.locator("a.trace:not(.head)").waitFor();
        expect(new URL(page.url()).search).toBe(`?view=traces&lookback=10000&endTs=${then + 5000}`);
        await page.getByLabel("When").selectOption("Last hour");
        await page.getByRole("heading", { name: "No matching traces" }).waitFor();
        expect(new URL(page.url()).search).toBe("?view=traces&lookback=3600000");
      }),
    TIMEOUT_MS,
  );

  test(
    "two traces are compared span by span",
    () =>
      onPage(async (page) => {
        const [a, b] = [newTraceId(), newTraceId()];
        await report(makeChain(a, 2, Date.now() - 1000));
        await report(makeChain(b, 3, Date.now() - 1000));
        await page.goto(`${collector.url}/?compare=${a},${b}`);
        await page.getByText("2 spans only in B").waitFor();
        expect(await page.locator(".comparison tbody tr").count()).toBe(5);
        expect(await page.locator(".comparison tbody tr").first().textContent()).toContain("+400 µs");
      }),
    TIMEOUT_MS,
  );

  test(
    "no view violates an accessibility rule, in light and in dark",
    async () => {
      for (const colorScheme of ["light", "dark"] as const) {
        await onPage(async (page) => {
          await page.emulateMedia({ colorScheme });
          const [a, b] = [newTraceId(), newTraceId()];
          const spans = makeChain(a, 4, Date.now() - 100);
          await report(spans.map((span) => ({ ...span, tags: { ...span.tags, error: "500" } })));
          await report(makeChain(b, 3, Date.now() - 100));
          const views = ["", "?link=chain-link-service-1", "?lookback=60000&link=chain-link-service-1"];
          views.push("?view=traces", `?trace=${a}&span=${hexId(1)}`);
          views.push(`?trace=${a}&view=table`, `?trace=${a}&view=flame`, `?compare=${a},${b}`);
          for (const view of views) {
            await page.goto(`${collector.url}/${view}`);
            await page.locator(".node, .row, a.trace, tbody td, .flame").first().waitFor();
            await page.evaluate(AXE);
            const found = (await page.evaluate("axe.run()")) as AxeResults;
            const broken = found.violations.map(({ id, nodes }) => `${view} ${id}: ${nodes[0]?.html}`);
            expect(broken).toEqual([]);
          }
        });
      }
    },
    TIMEOUT_MS * 2,
  );

  test(
    "the server half of a shared span is shown on its own",
    () =>
      onPage(async (page) => {
        const half = { traceId: newTraceId(), id: hexId(1), timestamp: Date.now() * 1000, duration: 90 };
        const local = (serviceName: string) => ({ localEndpoint: { serviceName } });
        await report([
          { ...half, kind: "CLIENT", ...local("caller") },
          { ...half, kind: "SERVER", shared: true, ...local("callee") },
        ]);
        await page.goto(`${collector.url}/?trace=${half.traceId}`);
        await page.getByRole("treeitem", { name: "callee" }).click();
        await page.getByRole("link", { name: "Show from here" }).click();
        await page.getByRole("treeitem", { name: "caller" }).waitFor({ state: "detached" });
        expect(await page.getByRole("treeitem").count()).toBe(1);
      }),
    TIMEOUT_MS,
  );

  test(
    "a service has one color in all views, whatever was shown before",
    () =>
      onPage(async (page) => {
        const traceId = newTraceId();
        await report(makeChain(traceId, 3, Date.now() - 1000));
        const seen = new Set<string>();
        const look = async (view: string, swatch: string) => {
          // Like a new tab, without the state of other views.
          await page.goto(`${collector.url}/${view}`);
          const color = "getComputedStyle(document.querySelector('SWATCH')).backgroundColor";
          await page.locator(swatch).first().waitFor();
          seen.add((await page.evaluate(color.replace("SWATCH", swatch))) as string);
        };
        const views: Record<string, string> = {
          [`?trace=${traceId}`]: ".row .swatch",
          [`?trace=${traceId}&view=table`]: "td .swatch",
          [`?compare=${traceId},${traceId}`]: "td .swatch, th .swatch",
          "?link=chain-link-service-0": ".panel .swatch",
          "?view=traces&serviceName=chain-link-service-0": "a.trace .swatch",
        };
        for (const [view, swatch] of Object.entries(views)) await look(view, swatch);
        const others = Array.from({ length: 30 }, (_, index) => `a${index}`);
        await report(
          others.map((serviceName, index) => ({
            traceId: newTraceId(),
            id: hexId(index + 1),
            timestamp: Date.now() * 1000,
            duration: 1,
            localEndpoint: { serviceName },
          })),
        );
        for (const [view, swatch] of Object.entries(views)) await look(view, swatch);
        expect([...seen]).toHaveLength(1);
      }),
    TIMEOUT_MS,
  );

  test(
    "a trace of 20,000 spans opens and scrolls with few rows in the document; its minimap shows the failed one",
    () =>
      onPage(async (page) => {
        const traceId = newTraceId();
        const spans = makeTree(traceId, 20_000);
        spans[12_345] = { ...(spans[12_345] as Span), tags: { error: "500" } };
        await report(spans);
        await page.goto(`${collector.url}/?trace=${traceId}`);
        await page.getByText("20,000 spans").first().waitFor();
        await page.getByRole("treeitem").first().waitFor();
        for (const top of [0, 25, 181, 5555, 77_777, 1e6]) {
          // Rows exist at both edges of the visible part.
          const edges = (await page.evaluate(`new Promise((resolve) => {
            const box = document.querySelector(".rows");
            box.scrollTop = ${top};
            const { left, top, bottom } = box.getBoundingClientRect();
            const rowAt = (y) => document.elementFromPoint(left + 60, y).closest(".row") !== null;
            requestAnimationFrame(() => requestAnimationFrame(() => resolve([top + 2, bottom - 2].map(rowAt))));
          })`)) as readonly boolean[];
          expect(edges).toEqual([true, true]);
        }
        await page.getByRole("tree").focus();
        await page.keyboard.press("End");
        await page.getByRole("treeitem", { selected: true }).waitFor();
        expect(await page.getByRole("treeitem").count()).toBeLessThan(120);
        const colors = (await page.evaluate(`(() => {
          const { width, height } = document.querySelector(".minimap canvas");
          const { data } = document.querySelector(".minimap canvas").getContext("2d").getImageData(0, 0, width, height);
          const solid = new Set();
          for (let at = 0; at < data.length; at += 4)
            if (data[at + 3] === 255) solid.add("rgb(" + [...data.slice(at, at + 3)].join(", ") + ")");
          const probe = Object.assign(document.body.appendChild(document.createElement("i")), { style: "color: var(--error)" });
          return { solid: [...solid], error: getComputedStyle(probe).color };
        })()`)) as { readonly solid: readonly string[]; readonly error: string };
        expect(colors.solid).toContain(colors.error);
        await page.keyboard.press("t");
        await page.keyboard.press("e");
        const selected = page.locator("tr.selected");
        await selected.waitFor();
        expect(await selected.textContent()).toContain("error");
        await page.waitForFunction(`(() => {
          const [row, table] = ["tr.selected", ".span-table"].map((it) => document.querySelector(it)?.getBoundingClientRect());
          return row && row.top >= table.top + 30 && row.bottom <= table.bottom;
        })()`);
        expect(new URL(page.url()).searchParams.get("span")).not.toBeNull();
      }),
    TIMEOUT_MS,
  );

  test("the page with all its parts is less than 150 kB, gzipped", async () => {
    await onPage(async () => {
      let bytes = 0;
      for (const path of await findPageFiles(collector.url)) {
        const response = await fetch(collector.url + path, {
          headers: { "Accept-Encoding": "gzip" },
          decompress: false,
        } as RequestInit);
        expect(response.status).toBe(200);
        expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
        bytes += (await response.arrayBuffer()).byteLength;
      }
      expect(bytes).toBeLessThan(150_000);
    });
  });
});

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}

/** Makes a tree of spans: each has up to ten children within its parent's time. */
function makeTree(traceId: string, count: number): Span[] {
  const now = Date.now() * 1000 - 10_000_000;
  return Array.from({ length: count }, (_, index) => ({
    traceId,
    id: hexId(index + 1),
    ...(index > 0 && { parentId: hexId(Math.floor((index - 1) / 10) + 1) }),
    kind: index % 2 === 0 ? ("SERVER" as const) : ("CLIENT" as const),
    name: `operation-${index % 50}`,
    timestamp: now + index * 10,
    duration: Math.max(100, 1_000_000 - index * 40),
    localEndpoint: { serviceName: `service-${index % 40}` },
    tags: { "http.method": "GET" },
  }));
}
