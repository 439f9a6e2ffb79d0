import { expect, test } from "bun:test";
import { makePatient, readPatiently } from "../../../src/verify/backend/patient-reader.ts";
import { ZipkinReader } from "../../../src/verify/backend/zipkin-reader.ts";

const IDS = ["1", "2"].map((digit) => digit.repeat(32));
const TRACES = IDS.map((traceId) => [{ traceId, id: "3".repeat(16) }]);
const { signal } = new AbortController();

/** A backend that is too busy for the first `failures` requests. */
function startBusyBackend(failures: number) {
  let requests = 0;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => (++requests <= failures ? new Response("busy", { status: 503 }) : Response.json(TRACES)),
  });
  return {
    reader: new ZipkinReader(`http://127.0.0.1:${server.port}`),
    get requests() {
      return requests;
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

test.concurrent("a backend that is busy twice is read at the third attempt", async () => {
  await using backend = startBusyBackend(2);
  expect((await makePatient(backend.reader).read(IDS, signal)).size).toBe(2);
  expect(backend.requests).toBe(3);
});

test.concurrent("a backend that stays busy fails after three attempts", async () => {
  await using backend = startBusyBackend(100);
  await expect(makePatient(backend.reader).read(IDS, signal)).rejects.toThrow("cannot be read");
  expect(backend.requests).toBe(3);
});

test.concurrent("a backend that has never answered is asked once", async () => {
  await using backend = startBusyBackend(1);
  const read = () => backend.reader.read(IDS, signal);
  await expect(readPatiently(read, { hasAnswered: false, signal })).rejects.toThrow("cannot be read");
  expect(backend.requests).toBe(1);
});
