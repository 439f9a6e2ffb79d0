import { describe } from "bun:test";
import { hasZipkin, startZipkin, ZIPKIN_NOTE } from "../helpers/zipkin-server.ts";
import { proveOn } from "../verify/run/backend-proofs.ts";
import { startZipkinBackend, testForgottenSpans } from "../verify/run/restarted-backend.ts";

describe.skipIf(!hasZipkin)(`verify against Zipkin${ZIPKIN_NOTE}`, () => {
  proveOn("a real Zipkin", async () => {
    const zipkin = await startZipkin();
    return { kind: "zipkin", url: zipkin.url, stop: () => zipkin.stop() };
  });

  testForgottenSpans("a real Zipkin", startZipkinBackend);
});
