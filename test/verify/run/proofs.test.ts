import { startCollector } from "../../../src/collector/server.ts";
import { proveOn } from "./backend-proofs.ts";

proveOn("the embedded collector", async () => {
  const collector = startCollector({ host: "127.0.0.1", port: 0 });
  return { kind: "collector", url: collector.url, stop: async () => collector.stop() };
});
