import { startCollector } from "../../../src/collector/server.ts";
import { OtlpReader } from "../../../src/verify/backend/otlp-reader.ts";
import { ZipkinReader } from "../../../src/verify/backend/zipkin-reader.ts";
import { startOtlpBackend } from "./otlp-backend.ts";
import { describeTraceReader, zipkinBackend } from "./reader-contract.ts";

// test/e2e/zipkin.test.ts has the same for a real Zipkin.
describeTraceReader(
  "ZipkinReader with our collector",
  async () => {
    const collector = startCollector({ host: "127.0.0.1", port: 0 });
    return zipkinBackend({ url: collector.url, stop: async () => collector.stop() });
  },
  (url) => new ZipkinReader(url, "collector"),
);

for (const kind of ["jaeger", "tempo"] as const) {
  describeTraceReader(
    `OtlpReader with a server that answers like ${kind}`,
    () => startOtlpBackend(kind),
    (url) => new OtlpReader(kind, url),
  );
}
