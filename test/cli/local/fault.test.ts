import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { ControlDesk, NO_CHAIN } from "../../../src/collector/control-desk.ts";
import { startCollector } from "../../../src/collector/server.ts";
import type { ControlState } from "../../../src/contract/control.ts";
import { eventually, type RunningUp, runCli, startUp } from "../../helpers/cli.ts";

describe.each([
  ["in one process", []],
  ["with a process for each link", ["--processes"]],
])("faults of a chain %s", (_title, flags) => {
  let up: RunningUp;
  let env: Record<string, string>;

  beforeAll(async () => {
    up = await startUp(["--instances", "3", "--slow", "off", "--port", "0", "--no-load", ...flags]);
    env = { CHAIN_LINK_PAGE: up.facts.page ?? "" };
  }, 30_000);
  afterAll(async () => {
    up.signal("SIGINT");
    await up.exited;
  });

  const fault = (...args: string[]) => runCli(["fault", ...args], { env });
  const statusAndTime = async () => {
    const began = performance.now();
    const response = await fetch(up.facts.entry);
    await response.arrayBuffer();
    return { status: response.status, tookMs: performance.now() - began };
  };
  const untilStatus = (status: number) =>
    eventually(async () => ((await statusAndTime()).status === status ? true : undefined));

  test("a link becomes slow, and fast again once cleared", async () => {
    const { exitCode, stdout } = await fault("chain-link-service-1", "--latency", "400ms");
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining("+400 ms") });
    await eventually(async () => ((await statusAndTime()).tookMs >= 400 ? true : undefined));
    expect((await fault("--clear")).stdout).toBe("no link has a fault\n");
    await eventually(async () => ((await statusAndTime()).tookMs < 400 ? true : undefined));
  }, 60_000);

  test("a link answers with errors, and serves again", async () => {
    expect((await fault("chain-link-service-2", "--errors", "100%")).exitCode).toBe(0);
    await untilStatus(500);
    await fault("chain-link-service-2", "--clear");
    await untilStatus(200);
  }, 60_000);

  test("a stopped link refuses connections, and comes back at the same address", async () => {
    const { url = "" } = up.facts.links[2] ?? {};
    await fault("chain-link-service-2", "--stop");
    await untilStatus(502);
    await eventually(() =>
      fetch(url).then(
        () => undefined,
        () => true,
      ),
    );
    await fault("chain-link-service-2", "--clear");
    await untilStatus(200);
    expect((await fetch(`${url}/health/ready`).catch(() => null))?.status).toBeDefined();
  }, 60_000);
});

describe("control", () => {
  let up: RunningUp;
  let control: string;
  let token: string;

  beforeAll(async () => {
    up = await startUp(["--instances", "3", "--slow", "off", "--port", "0", "--rate", "10/s"]);
    control = `${up.facts.collector}/api/control`;
    token = (up.facts.page ?? "").split("#token=")[1] ?? "";
    // The load begins when all else is there.
    await eventually(async () => ((await (await fetch(control)).json()) as ControlState).load ?? undefined);
  }, 30_000);
  afterAll(async () => {
    up.signal("SIGINT");
    await up.exited;
  });
  const change = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(control + path, {
      method: "PUT",
      body: JSON.stringify(body),
      headers: { Authorization: `Bearer ${token}`, ...headers },
    });

  test("without the token nothing changes, and every change is refused with 401", async () => {
    for (const Authorization of ["", "Bearer wrong", `Basic ${token}`]) {
      const response = await change("/faults/chain-link-service-1", { errorRate: 1 }, { Authorization });
      expect(response.status).toBe(401);
    }
    const response = await fetch(`${control}/faults`, { method: "DELETE" });
    expect(response.status).toBe(401);
    const state = (await (await fetch(control)).json()) as ControlState;
    expect(state).toMatchObject({ isAllowed: false, faults: {}, marks: [], load: { ratePerSecond: 10 } });
  });

  test("another origin, or a host name rebound to this machine, is refused even with the token", async () => {
    const foreign = [{ Origin: "http://evil.example" }, { Host: "evil.example" }, { Origin: "null" }];
    for (const headers of foreign) {
      const response = await change("/load", { ratePerSecond: 1 }, headers as Record<string, string>);
      expect(response.status).toBe(403);
      expect(response.headers.get("access-control-allow-origin")).toBeNull();
    }
    const own = await change("/load", { ratePerSecond: 10 }, { Origin: up.facts.collector });
    expect(own.status).toBe(200);
  });

  test("an invalid change is refused with what was expected", async () => {
    const wrong: readonly (readonly [string, unknown, number, string])[] = [
      ["/faults/chain-link-service-1", { errorRate: 2 }, 400, "a share from 0 to 1"],
      ["/faults/chain-link-service-1", { latencyMs: "5" }, 400, "milliseconds"],
      ["/faults/chain-link-service-1", { latency: 5 }, 400, "latency: expected"],
      ["/faults/nobody", { latencyMs: 5 }, 404, '"nobody"'],
      ["/load", { ratePerSecond: -1 }, 400, "ratePerSecond"],
      ["/load", [], 400, "JSON object"],
      ["/backend", { isDown: 1 }, 400, "isDown"],
      ["/other", {}, 404, "Not found"],
    ];
    for (const [path, body, status, text] of wrong) {
      const response = await change(path, body);
      expect({ path, status: response.status, text: await response.text() }).toEqual({
        path,
        status,
        text: expect.stringContaining(text),
      });
    }
  });

  test("no span is lost while the backend is down", async () => {
    await change("/backend", { isDown: true, forMs: 1500 });
    const refused = await fetch(`${up.facts.collector}/api/v2/spans`, { method: "POST", body: "[]" });
    expect(refused.status).toBe(503);
    await eventually(async () => {
      const answer = await fetch(`${up.facts.collector}/api/v2/spans`, { method: "POST", body: "[]" });
      return answer.status === 202 ? true : undefined;
    });
    const { marks } = (await (await fetch(control)).json()) as ControlState;
    expect(marks.slice(-2).map(({ text }) => text)).toEqual(["backend down", "backend up"]);
  }, 30_000);

  test("the end of the backend's outage is shown, and clearing all faults ends it", async () => {
    const fault = (...args: string[]) => runCli(["fault", ...args, "--page", up.facts.page ?? ""]);
    const { stdout } = await fault("--backend-down", "1m");
    expect(stdout).toMatch(/^the backend is down until \d\d:\d\d:\d\d$/m);
    const { backend } = JSON.parse((await fault("-o", "json")).stdout) as ControlState;
    expect(backend.until).toBeGreaterThan(Date.now() + 30_000);
    expect((await fault("--clear")).stdout).toBe("no link has a fault\n");
    expect((await fetch(`${up.facts.collector}/api/v2/spans`, { method: "POST", body: "[]" })).status).toBe(
      202,
    );
  });
});

test.skipIf(process.platform !== "linux")(
  "a link whose process was killed is reported",
  async () => {
    const up = await startUp(["--processes", "--port", "0", "--instances", "3", "--no-load"]);
    try {
      const children = readFileSync(`/proc/${up.pid}/task/${up.pid}/children`, "utf8").trim().split(" ");
      process.kill(Number(children[0]), "SIGKILL");
      const control = `${up.facts.collector}/api/control`;
      const [gone = ""] = await eventually(async () => {
        const state = (await (await fetch(control)).json()) as ControlState;
        return state.gone.length > 0 ? state.gone : undefined;
      });
      const fault = (...args: string[]) => runCli(["fault", ...args, "--page", up.facts.page ?? ""]);
      expect((await fault()).stdout).toBe(`no link has a fault\nthe process of ${gone} has exited\n`);
      const { exitCode, stderr } = await fault(gone, "--clear");
      expect(exitCode).toBe(1);
      expect(stderr).toContain(`The process of ${gone} has ended`);
    } finally {
      up.signal("SIGINT");
      await up.exited;
    }
  },
  60_000,
);

test("a missing or malformed argument is an error that names it", async () => {
  const cases: readonly (readonly [readonly string[], number, string])[] = [
    [["fault"], 2, "--page is missing"],
    [["fault", "--page", "http://127.0.0.1:1/"], 2, "#token=TOKEN"],
    [["fault", "--page", "http://127.0.0.1:1/#token=abc"], 1, "does not answer"],
    [["fault", "--page", "http://127.0.0.1:1/#token=abc", "--stop"], 2, "LINK is missing"],
  ];
  for (const [args, expected, text] of cases) {
    const { exitCode, stderr } = await runCli(args);
    expect({ args, exitCode, stderr }).toEqual({
      args,
      exitCode: expected,
      stderr: expect.stringContaining(text),
    });
  }
}, 30_000);

test("a collector without a chain refuses faults of links", async () => {
  const desk = new ControlDesk("0123456789abcdef", "127.0.0.1");
  desk.attach(NO_CHAIN);
  const collector = startCollector({ host: "127.0.0.1", port: 0, control: desk });
  try {
    const page = `${collector.url}/#token=0123456789abcdef`;
    const { exitCode, stderr } = await runCli(["fault", "x", "--page", page, "--stop"]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("is a collector without links");
    expect(stderr).not.toContain("There are");
  } finally {
    await collector.stop();
  }
});
