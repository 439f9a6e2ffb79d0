import { expect, test } from "bun:test";
import { errorText } from "../../src/lib/errors.ts";

test("what a connection that broke says is for users, not for who calls fetch", async () => {
  using server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket) {
        socket.terminate();
      },
    },
  });
  const error = await fetch(`http://127.0.0.1:${server.port}`).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  expect(errorText(error)).toMatch(/closed/);
  expect(errorText(error)).not.toContain("verbose");
});
