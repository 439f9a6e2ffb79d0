import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { VerifyResult } from "../../src/contract/verify-result.ts";
import { runCli, temporaryFolder } from "../helpers/cli.ts";
import {
  JAEGER_BUILD_MS,
  JAEGER_NOTE,
  type JaegerServer,
  startJaeger,
  startSampler,
} from "../helpers/jaeger.ts";
import { hasLab } from "../helpers/lab.ts";

const TOPOLOGY = `
apiVersion: chain-link.dev/v1
kind: Topology
metadata: { name: sampled }
services:
  a: { entry: true, calls: [b] }
  b: { calls: [c] }
  c: { errors: 10%, latency: { p50: 5ms, p99: 60ms } }
`;

describe.skipIf(!hasLab)(`verify with a real Jaeger${JAEGER_NOTE}`, () => {
  const folder = temporaryFolder();
  const topology = join(folder.path, "sampled.yaml");
  let jaeger: JaegerServer;

  beforeAll(async () => {
    await Bun.write(topology, TOPOLOGY);
    jaeger = await startJaeger();
  }, JAEGER_BUILD_MS);

  afterAll(async () => {
    await jaeger.kill();
    folder[Symbol.dispose]();
  });

  async function verify(otlp: string, args: readonly string[]) {
    const { exitCode, stdout, stderr } = await runCli([
      ...["verify", topology, "--otlp", otlp, "--backend", `jaeger=${jaeger.query}`, "-o", "json"],
      ...args,
    ]);
    return { exitCode, result: JSON.parse(stdout) as VerifyResult, stderr };
  }

  test("every span arrives in a plain Jaeger", async () => {
    const { exitCode, result } = await verify(jaeger.otlp, ["--requests", "100", "--rate", "100/s"]);
    expect(exitCode).toBe(0);
    expect(result.traces.complete).toBe(100);
    expect(result.platform?.rows).toEqual([]);
  }, 120_000);

  test("a tail sampler that keeps whole traces passes, and keeps the traces of its policy", async () => {
    const sampler = await startSampler(jaeger.otlp, 50_000);
    try {
      const { exitCode, result } = await verify(sampler.otlp, [
        ...["--requests", "300", "--rate", "100/s", "--max-wait", "8s", "--sampled-out", "ok"],
        ...["--expect-kept", "100% of errors", "--expect-kept", "10% of the rest"],
        ...["--collector-metrics", sampler.metrics],
      ]);
      expect(result.sampling?.expected.map(({ outcome }) => outcome)).toEqual(["met", "met"]);
      expect(result.traces["sampled-out"] + result.traces.complete).toBe(300);
      expect(result.losses).toEqual([]);
      expect(exitCode).toBe(0);
    } finally {
      await sampler.kill();
    }
  }, 120_000);

  test("verify detects a tail sampler whose buffer is too small", async () => {
    const sampler = await startSampler(jaeger.otlp, 60);
    try {
      const { exitCode, result } = await verify(sampler.otlp, [
        ...["--requests", "400", "--rate", "200/s", "--max-wait", "8s", "--sampled-out", "ok"],
        ...["--collector-metrics", sampler.metrics],
      ]);
      expect(result.outcome).not.toBe("complete");
      expect(exitCode).toBe(result.traces.partial > 0 ? 1 : 3);
    } finally {
      await sampler.kill();
    }
  }, 120_000);

  test("metrics that are not a collector's stop verify before anything is sent", async () => {
    const { exitCode, stderr } = await runCli([
      "verify",
      topology,
      "--collector-metrics",
      `${jaeger.query}/`,
    ]);
    expect(exitCode).toBe(3);
    expect(stderr).toContain("cannot read the metrics of the collector at");
  }, 60_000);
});
