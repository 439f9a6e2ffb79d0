import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { startCollector } from "../../src/collector/server.ts";
import { ZipkinReader } from "../../src/verify/backend/zipkin-reader.ts";
import { describeZipkinContract } from "../collector/zipkin-contract.ts";
import { describeZipkinDetails } from "../collector/zipkin-details-contract.ts";
import { describeDifferences } from "../collector/zipkin-differential.ts";
import { describeLens } from "../collector/zipkin-lens.ts";
import { eventually, runCli, startUp } from "../helpers/cli.ts";
import { expectChainTrace, fetchTrace, traceIdOf } from "../helpers/trace.ts";
import { hasZipkin, startZipkin, type ZipkinServer } from "../helpers/zipkin-server.ts";
import { describeTraceReader, zipkinBackend } from "../verify/backend/reader-contract.ts";

// The machine may be busy, and if a test times out, the runner also kills this Zipkin.
setDefaultTimeout(120_000);

/** URL of a running Zipkin. */
const ZIPKIN_URL = process.env.ZIPKIN_URL;

// Skipped without a Zipkin, which `test/helpers/get-zipkin` fetches.
describe.skipIf(!hasZipkin && ZIPKIN_URL === undefined)(
  "with a real Zipkin (skipped where test/helpers/get-zipkin was not run)",
  () => {
    let zipkin: Pick<ZipkinServer, "url" | "stop">;
    beforeAll(async () => {
      zipkin = ZIPKIN_URL === undefined ? await startZipkin() : { url: ZIPKIN_URL, stop: async () => {} };
    }, 120_000);
    afterAll(() => zipkin.stop());

    test.each([
      ["Zipkin v2 JSON", ["--tags", "full"]],
      ["Zipkin v2 JSON from processes", ["--processes"]],
    ])(
      "a chain of 5 records the same trace in Zipkin as in the embedded collector: %s",
      async (_title, flags) => {
        const up = await startUp([
          "--instances",
          "5",
          "--slow",
          "off",
          "--zipkin",
          zipkin.url,
          "--no-load",
          ...flags,
        ]);
        expect(up.facts).toMatchObject({ page: null, collector: zipkin.url });
        const response = await fetch(up.facts.entry);
        const id = traceIdOf(response);
        up.signal("SIGTERM");
        expect(await up.exited).toBe(0);
        expectChainTrace(await fetchTrace(zipkin.url, id, 9), 5);
      },
      60_000,
    );

    test("an export is complete with 1,300 traces in one millisecond and 700 that overlap for long", async () => {
      const startMs = Date.now() - 1_800_000;
      const localEndpoint = { serviceName: `export-${randomBytes(4).toString("hex")}` };
      const spans = Array.from({ length: 1300 }, () => {
        const traceId = randomBytes(8).toString("hex");
        return { traceId, id: traceId, timestamp: startMs * 1000, duration: 5, localEndpoint };
      });
      // Zipkin prefers the traces with the latest spans, so these are spread.
      for (let index = 0; index < 700; index++) {
        const traceId = randomBytes(8).toString("hex");
        const timestamp = (startMs + index * 500) * 1000;
        const late = timestamp + ((index * 7919) % 700) * 800_000;
        const span = { traceId, id: traceId, timestamp, duration: 5, localEndpoint };
        spans.push(span, { ...span, id: randomBytes(8).toString("hex"), timestamp: late });
      }
      const imported = await runCli(["traces", "import", "-", "--to", zipkin.url], {
        stdin: JSON.stringify(spans),
      });
      expect(imported.stderr).toContain("2700 stored, 0 merged, 0 rejected");
      const last = spans.at(-1)?.traceId ?? "";
      await fetchTrace(zipkin.url, last, 2);
      const exported = await runCli([
        ...["traces", "export", "-", "--from", zipkin.url],
        ...["--service", localEndpoint.serviceName],
      ]);
      const ids = (some: readonly { id: string }[]) => some.map(({ id }) => id).sort();
      expect(ids(JSON.parse(exported.stdout))).toEqual(ids(spans));
    });

    test.skipIf(!hasZipkin)("Zipkin and our collector sample the same share of the traces", async () => {
      const sampleRate = 0.3;
      const original = await startZipkin({ sampleRate });
      const collector = startCollector({ host: "127.0.0.1", port: 0, sampleRate });
      const spans = Array.from({ length: 1000 }, (_, index) => {
        const traceId = randomBytes(index % 2 === 0 ? 8 : 16).toString("hex");
        const localEndpoint = { serviceName: "sampled" };
        const timestamp = Date.now() * 1000;
        return {
          traceId,
          id: "1".repeat(16),
          timestamp,
          localEndpoint,
          ...(index % 50 === 0 && { debug: true }),
        };
      });
      const keptBy = async (url: string) => {
        const headers = { "Content-Type": "application/json" };
        await fetch(`${url}/api/v2/spans`, { method: "POST", headers, body: JSON.stringify(spans) });
        return await eventually(async () => {
          const answer = await fetch(`${url}/api/v2/traces?serviceName=sampled&limit=1000`);
          const traces = (await answer.json()) as { traceId: string }[][];
          return traces.length > 0 ? traces.map(([span]) => span?.traceId).sort() : undefined;
        });
      };
      const kept = await keptBy(original.url);
      expect(kept.length).toBeGreaterThan(200);
      expect(kept.length).toBeLessThan(450);
      expect(await keptBy(collector.url)).toEqual(kept);
      await Promise.all([original.stop(), collector.stop()]);
    });

    // The contracts of the embedded collector, checked against the original.
    describeTraceReader(
      "ZipkinReader with a real Zipkin",
      () => zipkinBackend({ url: zipkin.url, stop: async () => {} }),
      (url) => new ZipkinReader(url),
    );
    describeZipkinContract("a real Zipkin", () => zipkin.url);
    describeZipkinDetails("a real Zipkin", () => zipkin.url);

    describeDifferences(() => zipkin.url);

    describeLens(() => zipkin.url);

    test("the dependencies of a chain form one line", async () => {
      const up = await startUp(["--instances", "3", "--slow", "off", "--zipkin", zipkin.url, "--no-load"]);
      await fetch(up.facts.entry);
      up.signal("SIGTERM");
      await up.exited;
      const answer = await fetch(`${zipkin.url}/api/v2/dependencies?endTs=${Date.now() + 60_000}`);
      const links = (await answer.json()) as { parent: string; child: string; errorCount?: number }[];
      const pairs = links.map(({ parent, child }) => `${parent} -> ${child}`);
      expect(pairs).toContain("chain-link-service-0 -> chain-link-service-1");
      expect(pairs).toContain("chain-link-service-1 -> chain-link-service-2");
      expect(pairs).not.toContain("chain-link-service-0 -> chain-link-service-2");
      const ours = links.filter(({ parent }) => parent.startsWith("chain-link-service-"));
      expect(ours.every(({ errorCount }) => errorCount === undefined)).toBe(true);
    }, 60_000);
  },
);
