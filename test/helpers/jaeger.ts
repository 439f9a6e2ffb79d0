import { join } from "node:path";
import { eventually } from "./cli.ts";
import { hasLab, LAB } from "./lab.ts";

/** Suffix for the title of a group of tests that says why they were skipped. */
export const JAEGER_NOTE = hasLab ? "" : ` (skipped: there is no lab at ${LAB}, which compiles Jaeger)`;

/** Time limit for compiling Jaeger where it has not been compiled before. */
export const JAEGER_BUILD_MS = 1_800_000;

export interface JaegerServer {
  /** URL of its query API. */
  readonly query: string;
  /** URL that receives OTLP over HTTP. */
  readonly otlp: string;
  kill(): Promise<void>;
}

/** Starts a real Jaeger v2 with traces in memory. */
export async function startJaeger(
  ports: { query: number; otlp: number } | null = null,
): Promise<JaegerServer> {
  const { query, otlp } = ports ?? { query: freePort(), otlp: freePort() };
  const kill = await start("jaeger.yaml", `http://127.0.0.1:${query}/`, {
    JAEGER_QUERY: `127.0.0.1:${query}`,
    JAEGER_OTLP_HTTP: `127.0.0.1:${otlp}`,
    JAEGER_OTLP_GRPC: "127.0.0.1:0",
    JAEGER_ZIPKIN: "127.0.0.1:0",
  });
  return { query: `http://127.0.0.1:${query}`, otlp: `http://127.0.0.1:${otlp}`, kill };
}

export interface SamplerServer {
  readonly otlp: string;
  readonly metrics: string;
  kill(): Promise<void>;
}

/** Starts the same program as a collector with tail sampling: it keeps all traces with errors and 10 % of the rest. */
export async function startSampler(next: string, traces: number): Promise<SamplerServer> {
  const [metrics, otlp] = [freePort(), freePort()];
  const kill = await start("tail-sampling.yaml", `http://127.0.0.1:${metrics}/metrics`, {
    NUM_TRACES: String(traces),
    METRICS_PORT: String(metrics),
    IN_OTLP_HTTP: `127.0.0.1:${otlp}`,
    IN_OTLP_GRPC: "127.0.0.1:0",
    IN_ZIPKIN: "127.0.0.1:0",
    NEXT: next,
  });
  return { otlp: `http://127.0.0.1:${otlp}`, metrics: `http://127.0.0.1:${metrics}/metrics`, kill };
}

async function start(config: string, url: string, env: Record<string, string>): Promise<() => Promise<void>> {
  const built = Bun.spawnSync([LAB, "jaeger"], { stderr: "ignore" });
  const program = built.stdout.toString().trim().split("\n").at(-1) ?? "";
  const child = Bun.spawn([program, "--config", `file:${join(LAB, "..", config)}`], {
    env: { ...process.env, ...env },
    stdout: "ignore",
    stderr: "ignore",
  });
  await eventually(async () => ((await fetch(url).catch(() => null))?.ok ? true : undefined), 60_000);
  return async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
}

/** Jaeger does not report which port it took for 0, so it gets one that was free a moment ago. */
function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}
