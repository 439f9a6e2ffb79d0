import { existsSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./cli.ts";

/** The real Zipkin, where `test/helpers/get-zipkin` put it or `ZIPKIN_JAR` says. */
export const ZIPKIN_JAR =
  process.env.ZIPKIN_JAR ?? join(import.meta.dir, "../../.cache/zipkin/zipkin-server-3.6.1-exec.jar");

export const hasZipkin = existsSync(ZIPKIN_JAR) && Bun.which("java") !== null;

export interface ZipkinServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a real Zipkin with storage in memory on a free port. */
export async function startZipkin(): Promise<ZipkinServer> {
  const port = freePort();
  const child = Bun.spawn(["java", "-Xmx256m", "-jar", ZIPKIN_JAR], {
    stdout: "ignore",
    stderr: "ignore",
    env: { ...process.env, QUERY_PORT: String(port), SELF_TRACING_ENABLED: "false" },
  });
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => {
    const response = await fetch(`${url}/health`).catch(() => null);
    return response?.ok ? true : undefined;
  }, 200_000);
  return {
    url,
    async stop() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

/** Zipkin cannot say which port it took for 0, so it is given one that was free a moment ago. */
function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}
