import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import type { ControlState } from "../../src/contract/control.ts";
import { eventually, type RunningUp, startUp } from "../helpers/cli.ts";

const CHROMIUM = "/usr/bin/chromium";
const TIMEOUT_MS = 60_000;

if (!existsSync(CHROMIUM)) test.skip(`faults are set in a browser (install ${CHROMIUM} to run it)`, () => {});

describe.skipIf(!existsSync(CHROMIUM))("load and faults in a browser", () => {
  let browser: Browser;
  let up: RunningUp;
  let page: Page;

  beforeAll(async () => {
    up = await startUp(["--instances", "5", "--slow", "off", "--port", "0", "--rate", "20/s"]);
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
    page = await browser.newPage();
    page.setDefaultTimeout(20_000);
    await page.goto(up.facts.page ?? "");
  }, TIMEOUT_MS);
  afterAll(async () => {
    await browser?.close();
    up?.signal("SIGINT");
    await up?.exited;
  });

  const state = async () => (await (await fetch(`${up.facts.collector}/api/control`)).json()) as ControlState;
  const untilState = (isReached: (now: ControlState) => boolean) =>
    eventually(async () => (isReached(await state()) ? true : undefined));
  const press = (name: string | RegExp) => page.getByRole("button", { name }).first().click();
  const node = (link: number) =>
    page.getByRole("button", { name: new RegExp(`^chain-link-service-${link}`) });

  test(
    "the page removes the token from its address and shows the graph with its numbers",
    async () => {
      await node(4).getByText(/\/s$/).waitFor();
      expect(page.url()).not.toContain("token");
    },
    TIMEOUT_MS,
  );

  test(
    "one slow link shows its latency on the graph until it is cleared",
    async () => {
      await press("One slow link");
      await node(2).getByText("fault").waitFor();
      await node(2)
        .getByText(/2\d\d ms/)
        .waitFor();
      await press(/^Clear all/);
      await untilState(({ faults }) => Object.keys(faults).length === 0);
    },
    TIMEOUT_MS,
  );

  test(
    "errors of a link in the middle show on it and on its callers",
    async () => {
      await press("10 % errors in the middle");
      await node(2).getByText("errors").waitFor();
      await node(0).getByText("errors").waitFor();
      await press(/^Clear all/);
      await untilState(({ faults }) => Object.keys(faults).length === 0);
    },
    TIMEOUT_MS,
  );

  test(
    "a preset keeps the faults of other presets",
    async () => {
      await press("One slow link");
      await untilState(({ faults }) => faults["chain-link-service-2"]?.latencyMs === 200);
      await press("10 % errors in the middle");
      await untilState(({ faults }) => faults["chain-link-service-2"]?.errorRate === 0.1);
      await untilState(({ faults }) => faults["chain-link-service-2"]?.latencyMs === 200);
      await press(/^Clear all/);
      await untilState(({ faults }) => Object.keys(faults).length === 0);
    },
    TIMEOUT_MS,
  );

  test(
    "a killed link shows on the graph, and serves again when the fault is cleared",
    async () => {
      await press("Kill a link");
      await page.locator(".node.stopped").waitFor();
      await eventually(async () => ((await fetch(up.facts.entry)).status === 502 ? true : undefined));
      await press(/^Clear all/);
      await page.locator(".node.stopped").waitFor({ state: "detached" });
      await eventually(async () => ((await fetch(up.facts.entry)).status === 200 ? true : undefined));
    },
    TIMEOUT_MS,
  );

  test(
    "the backend is down for ten seconds and comes back",
    async () => {
      await press("Backend down 10 s");
      await page.getByText("backend is down").waitFor();
      await page.getByText("backend is down").waitFor({ state: "detached", timeout: 30_000 });
    },
    TIMEOUT_MS,
  );

  test(
    "a link's panel sets latency, errors and stop, the load view sets the rate, and every change is listed",
    async () => {
      await node(1).click();
      const panel = page.getByRole("complementary", { name: "About chain-link-service-1" });
      await panel.getByLabel("Latency added").fill("30");
      await panel.getByRole("spinbutton", { name: "Errors" }).fill("5");
      await panel.getByRole("spinbutton", { name: "Errors" }).press("Enter");
      await untilState(({ faults }) => faults["chain-link-service-1"]?.latencyMs === 30);
      await panel.getByRole("button", { name: "Clear" }).click();
      await untilState(({ faults }) => Object.keys(faults).length === 0);
      await page.getByRole("link", { name: "Load & faults" }).click();
      await page.getByRole("button", { name: "50", exact: true }).click();
      await untilState(({ load }) => load?.ratePerSecond === 50);
      await page.getByText("load: 50/s").waitFor();
      await page.getByText("chain-link-service-1: fault cleared").waitFor();
    },
    TIMEOUT_MS,
  );

  test(
    "the page has no controls without the token or with an old one",
    async () => {
      const stranger = await browser.newPage();
      await stranger.goto(`${up.facts.collector}/?view=control`);
      await stranger.getByText("opened without the token").waitFor();
      await stranger.goto(`${up.facts.collector}/?view=control#token=of-an-earlier-run`);
      await stranger.reload();
      await stranger.getByText("opened with the token of another run").waitFor();
      await stranger.goto(up.facts.collector);
      await stranger.locator(".node").first().waitFor();
      expect(await stranger.getByRole("button", { name: "Kill a link" }).count()).toBe(0);
      await stranger.close();
    },
    TIMEOUT_MS,
  );
});
