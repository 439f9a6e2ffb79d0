import { describe, expect, test } from "bun:test";
import { LinkLog, type LinkLogOptions } from "../../src/link/log.ts";
import { chainOf } from "../../src/topology/chain.ts";
import { startChain } from "../helpers/chain.ts";

function newLog(options: Partial<LinkLogOptions> = {}) {
  const lines: string[] = [];
  const accessLines: string[] = [];
  const log = new LinkLog({
    service: "a",
    level: "info",
    format: "text",
    accessLog: false,
    write: (line) => lines.push(line),
    writeAccess: (line) => accessLines.push(line),
    ...options,
  });
  return { log, lines, accessLines };
}

describe("log lines", () => {
  test("in text begin with the level, padded to eight characters", () => {
    const { log, lines } = newLog();
    log.info("one");
    log.warn("two");
    log.error("three");
    expect(lines).toEqual(["INFO     one", "WARNING  two", "ERROR    three"]);
  });

  test("in JSON have time, level, service and message", () => {
    const { log, lines } = newLog({ format: "json" });
    log.warn('with "quotes"\nand a line feed');
    expect(lines.length).toBe(1);
    expect(lines[0]).not.toContain("\n");
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      level: "warn",
      service: "a",
      message: 'with "quotes"\nand a line feed',
    });
  });

  test("in text escape control characters in messages", () => {
    const { log, lines } = newLog();
    log.info("a\x1b[31mb\r\nINFO     c\x9b\u202e");
    expect(lines).toEqual(["INFO     a^[[31mb\\r\\nINFO     c\\u009b\\u202e"]);
  });

  test.each([
    ["debug", 4],
    ["info", 3],
    ["warn", 2],
    ["error", 1],
    ["off", 0],
  ] as const)("at level %s are written for %d of debug, info, warn and error", (level, count) => {
    const { log, lines } = newLog({ level });
    log.debug("w");
    log.info("x");
    log.warn("x");
    log.error("x");
    expect(lines.length).toBe(count);
  });
});

describe("many requests", () => {
  test("are logged up to fifty per second, followed by the number of those that were not", async () => {
    const { log, lines } = newLog();
    const admitted = () => Array.from({ length: 80 }, () => log.admitRequest()).filter(Boolean).length;
    expect(admitted()).toBe(50);
    expect(admitted()).toBe(0);
    while (lines.length === 0) await Bun.sleep(20);
    expect(lines).toEqual(["INFO     110 requests not logged"]);
    expect(admitted()).toBe(50);
    log.close();
    expect(lines.at(-1)).toBe("INFO     30 requests not logged");
  });

  test("are logged without a summary if none was left out", () => {
    const { log, lines } = newLog();
    expect(log.admitRequest()).toBe(true);
    log.close();
    expect(lines).toEqual([]);
  });

  test("are neither logged nor counted above level info", () => {
    const { log, lines } = newLog({ level: "warn" });
    for (let count = 0; count < 60; count++) expect(log.admitRequest()).toBe(false);
    log.close();
    expect(lines).toEqual([]);
  });
});

describe("a chain", () => {
  test("writes each line of the original once", async () => {
    const draws = [0.75, 0.25];
    await using chain = startChain(chainOf(["a", "b"]), {
      link: {
        randomOf: () => () => draws.shift() ?? 1,
        log: {
          level: "info",
          format: "text",
          accessLog: false,
          write: (line) => lines.push(line),
          writeAccess: () => {},
        },
      },
    });
    await fetch(chain.url);
    await fetch(`${chain.url}/readiness`);
    expect(lines).toEqual([
      "INFO     service_name a",
      "INFO     new services: ['a', 'b']",
      "INFO     service_name b",
      "INFO     new services: ['a', 'b']",
      "INFO     Node's random_number: 0.75",
      "INFO     current_service: a",
      "INFO     next_service: b",
      "INFO     Node's random_number: 0.25",
      "INFO     This node is sleeping for 2 seconds",
      "INFO     current_service: b",
    ]);
  });
  const lines: string[] = [];

  test("with an access log writes one JSON line for each request except readiness", async () => {
    const accessLines: string[] = [];
    await using chain = startChain(chainOf(["a", "b"], { slow: false }), {
      link: {
        log: {
          level: "off",
          format: "text",
          accessLog: true,
          write: () => {},
          writeAccess: (line) => accessLines.push(line),
        },
      },
    });
    await fetch(`${chain.url}/?q="x`);
    await fetch(`${chain.url}/readiness`);
    await fetch(`${chain.url}/nowhere`, { method: "POST" });
    const spans = await chain.stop();
    const traceId = spans.find(({ parentId }) => parentId !== undefined)?.traceId ?? "";
    const entry = (service: string, method: string, path: string, status: number) => ({
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      service,
      method,
      path,
      status,
      durationMs: expect.any(Number),
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(accessLines.map((line) => JSON.parse(line))).toEqual([
      { ...entry("b", "GET", "/forward", 200), traceId },
      { ...entry("a", "GET", "/?q=%22x", 200), traceId },
      entry("a", "POST", "/nowhere", 404),
    ]);
  });

  test("writes no access line by default", () => {
    const { log, accessLines } = newLog();
    log.access({ method: "GET", path: "/", status: 200, durationMs: 1, traceId: "0" });
    expect(accessLines).toEqual([]);
  });
});
