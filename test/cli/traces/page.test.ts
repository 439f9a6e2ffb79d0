import { expect, test } from "bun:test";
import { EXECUTABLE, eventually, temporaryFolder } from "../../helpers/cli.ts";

test("page warns at start about a backend that does not answer, and serves anyway", async () => {
  using home = temporaryFolder();
  const args = ["page", "--backend", "zipkin=http://127.0.0.1:1", "--port", "0"];
  const child = Bun.spawn([EXECUTABLE, ...args], {
    env: { ...process.env, HOME: home.path },
    stdout: "ignore",
    stderr: "pipe",
  });
  let log = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const bytes of child.stderr) log += decoder.decode(bytes, { stream: true });
  })();
  try {
    await eventually(() => (log.includes("does not answer") ? true : undefined));
    expect(log).toContain("WARNING  the Zipkin at http://127.0.0.1:1 does not answer: connection refused\n");
    const url = /INFO +(http\S+)/.exec(log)?.[1] ?? "";
    expect((await fetch(url)).status).toBe(200);
  } finally {
    child.kill();
    await child.exited;
    await reading;
  }
});
