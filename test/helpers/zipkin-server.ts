import { existsSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./cli.ts";
import { freePort } from "./free-port.ts";

/** Path of a real Zipkin: `ZIPKIN_JAR`, or the one that `test/helpers/get-zipkin` fetched. */
export const ZIPKIN_JAR =
  process.env.ZIPKIN_JAR ?? join(import.meta.dir, "../../.cache/zipkin/zipkin-server-3.6.1-exec.jar");

export const hasZipkin = existsSync(ZIPKIN_JAR) && Bun.which("java") !== null;

/** Suffix for the title of a group of tests that says why they were skipped. */
export const ZIPKIN_NOTE = hasZipkin ? "" : " (skipped: run test/helpers/get-zipkin, which needs Java)";

export interface ZipkinServer {
  readonly url: string;
  stop(): Promise<void>;
  /** Kills the process without a shutdown. */
  kill(): Promise<void>;
}

export interface ZipkinOptions {
  /** @default a free port */
  readonly port?: number;
  /** Maximum number of spans kept in memory. @default Zipkin's, 500,000 */
  readonly maxSpans?: number;
  /** Share of traces that it stores. @default 1 */
  readonly sampleRate?: number;
  /** @default 256 */
  readonly heapMegabytes?: number;
}

/** Starts a real Zipkin with storage in memory. */
export async function startZipkin(options: ZipkinOptions = {}): Promise<ZipkinServer> {
  const { port = freePort(), maxSpans, sampleRate = 1, heapMegabytes = 256 } = options;
  const child = Bun.spawn(["java", `-Xmx${heapMegabytes}m`, "-jar", ZIPKIN_JAR], {
    stdout: "ignore",
    stderr: "ignore",
    env: {
      ...process.env,
      QUERY_PORT: String(port),
      SELF_TRACING_ENABLED: "false",
      COLLECTOR_SAMPLE_RATE: String(sampleRate),
      ...(maxSpans === undefined ? {} : { MEM_MAX_SPANS: String(maxSpans) }),
    },
  });
  const end = (signal: "SIGTERM" | "SIGKILL") => async () => {
    child.kill(signal);
    await child.exited;
  };
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => {
    const response = await fetch(`${url}/health`).catch(() => null);
    return response?.ok ? true : undefined;
  }, 200_000);
  return { url, stop: end("SIGTERM"), kill: end("SIGKILL") };
}
