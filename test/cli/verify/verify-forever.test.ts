import { describe, expect, test } from "bun:test";
import { EXECUTABLE, eventually, runCli } from "../../helpers/cli.ts";

/** A canary whose windows are one request each, so that the first is judged at once. */
function startCanary(...args: readonly string[]) {
  const rate = ["--rate", "3/m", "--slow", "off", "--in-process", "--serve", "0", "-o", "json"];
  const child = Bun.spawn([EXECUTABLE, "verify", "--forever", "--instances", "2", ...rate, ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let text = "";
  void (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) text += decoder.decode(chunk, { stream: true });
  })();
  return {
    log: () => text,
    /** Of its server; it is there when it says so. */
    url: () => eventually(() => /metrics on (http:\S+)\/metrics/.exec(text)?.[1]),
    /** Ends it as Kubernetes does. */
    async end() {
      child.kill("SIGTERM");
      return { exitCode: await child.exited, result: JSON.parse(await child.stdout.text()) };
    },
  };
}

describe("verify --forever", () => {
  test("is ready once it has judged, and on SIGTERM prints its findings and exits 0", async () => {
    const canary = startCanary();
    const url = await canary.url();
    await eventually(async () => ((await fetch(`${url}/readiness`)).ok ? true : undefined));
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('chain_link_verify_traces_total{class="complete"} 1\n');
    const { exitCode, result } = await canary.end();
    expect(result).toMatchObject({ outcome: "complete", requests: 1, spans: { expected: 3, missing: 0 } });
    expect(exitCode).toBe(0);
  }, 60_000);

  test("a backend that drops spans is exit 1, and each loss is a log line", async () => {
    await using backend = Bun.serve({
      port: 0,
      fetch: ({ method }) => (method === "POST" ? new Response(null, { status: 202 }) : Response.json([])),
    });
    const url = `http://localhost:${backend.port}`;
    const canary = startCanary("--zipkin", url, "--backend", `zipkin=${url}`, "--max-wait", "2s");
    await eventually(
      () => (canary.log().includes("3 of 3 spans missing; 1 not-found") ? true : undefined),
      30_000,
    );
    const { exitCode, result } = await canary.end();
    expect(result).toMatchObject({ outcome: "incomplete", spans: { missing: 3 } });
    expect(exitCode).toBe(1);
  }, 60_000);

  test("an unreadable backend is exit 3: nothing is called complete or missing", async () => {
    const canary = startCanary("--backend", "zipkin=http://127.0.0.1:1", "--max-wait", "1s");
    await eventually(() => (canary.log().includes("cannot be read") ? true : undefined), 30_000);
    const { exitCode, result } = await canary.end();
    expect(result).toMatchObject({ outcome: "could-not-tell", traces: { complete: 0, unknown: 1 } });
    expect(exitCode).toBe(3);
  }, 60_000);

  test("flags of other modes are refused", async () => {
    for (const [args, text] of [
      [["--serve", "8080", "http://localhost:1"], "--serve needs --forever"],
      [["--forever", "--requests", "5", "http://localhost:1"], "--requests is for a run that ends"],
      [["--forever", "--rate", "1..5/10s", "http://localhost:1"], "a ramp ends"],
      [["--forever", "--release", "shop"], "--forever needs a URL or a topology"],
      [["--namespace", "shop", "http://localhost:1"], "--namespace needs --release"],
      [
        ["--release", "shop", "http://localhost:1"],
        "--release was given, so verify takes no URL or topology",
      ],
      [["--release", "shop", "--instances", "3"], "--instances applies to links that are started"],
      [["--since", "5m", "http://localhost:1"], "--since needs --run"],
    ] as const) {
      const { exitCode, stderr } = await runCli(["verify", ...args]);
      expect(stderr).toContain(text);
      expect(exitCode).toBe(2);
    }
  }, 60_000);
});
