/** The part of `failing-calls.test.ts` that runs in a network namespace of its own, with few file descriptors. */
import { expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { createServer } from "node:net";
import type { Socket } from "bun";
import { checkFailingCalls } from "../helpers/failing-calls.ts";

const NO_FILES = { reason: "too_many_open_files", message: "too many open files" };
const NO_PORT = { reason: "no_free_local_port", message: "no free local port" };

test("a call without a route to the host is never answered with 2xx", () =>
  checkFailingCalls({ reason: "no_route_to_host", message: "no route to host" }, "http://10.9.8.7:80"));

for (const host of ["127.0.0.1", "localhost"]) {
  test(`a call to ${host} without a free file descriptor is never answered with 2xx`, async () => {
    const files: number[] = [];
    await checkFailingCalls(NO_FILES, `http://${host}:1`, {
      prepare() {
        try {
          for (;;) files.push(openSync("/dev/null", "r"));
        } catch {
          // All file descriptors are in use.
        }
      },
    }).finally(() => {
      for (const file of files) closeSync(file);
    });
  });

  test(`a call to ${host} without a free local port is never answered with 2xx`, async () => {
    const server = createServer((socket) => socket.on("data", () => socket.destroy()));
    await new Promise<void>((resolve) => server.listen(8080, "127.0.0.1", resolve));
    const held: Socket<undefined>[] = [];
    await checkFailingCalls(NO_PORT, `http://${host}:8080`, {
      async prepare() {
        for (let code = ""; code !== "EADDRNOTAVAIL"; ) {
          await Bun.connect({ hostname: "127.0.0.1", port: 8080, socket: { data() {} } })
            .then((socket) => held.push(socket))
            .catch((error) => {
              code = error.code;
            });
        }
        expect(held.length).toBeGreaterThan(20);
      },
    }).finally(() => {
      for (const socket of held) socket.terminate();
      server.close();
    });
  });
}
