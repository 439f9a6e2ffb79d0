import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { errorText } from "../../src/lib/errors.ts";
import { unwritable } from "../../src/lib/unwritable.ts";

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

test("what the system says of files and connections is said in our words", async () => {
  const thrownBy = (run: () => unknown) => Promise.try(run).catch((thrown: unknown) => thrown);
  expect(errorText(await thrownBy(() => fetch("http://127.0.0.1:1")))).toBe("connection refused");
  const absent = await thrownBy(() => readFileSync("/nowhere/file"));
  expect(errorText(absent)).toBe("no such file");
  expect(errorText(await thrownBy(() => readFileSync("/")))).toBe("it is a folder");
  expect(unwritable("/nowhere/file", absent).message).toBe(
    "cannot write /nowhere/file: there is no folder /nowhere",
  );
});
