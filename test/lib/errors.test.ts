import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ERROR_CODES, errorText } from "../../src/lib/errors.ts";
import { unwritable } from "../../src/lib/unwritable.ts";
import { makeCertificates } from "../helpers/certificates.ts";

const SRC = join(import.meta.dir, "../../src");

test("the message of a broken connection is for users, not for callers of fetch", async () => {
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

test("errors of files and connections are described in our own words", async () => {
  const thrownBy = (run: () => unknown) => Promise.try(run).catch((thrown: unknown) => thrown);
  expect(errorText(await thrownBy(() => fetch("http://127.0.0.1:1")))).toBe("connection refused");
  if (process.platform === "linux")
    expect(errorText(await thrownBy(() => fetch("http://224.0.0.1")))).toBe("network is unreachable");
  const absent = await thrownBy(() => readFileSync("/nowhere/file"));
  expect(errorText(absent)).toBe("no such file");
  expect(errorText(await thrownBy(() => readFileSync("/")))).toBe("it is a folder");
  expect(unwritable("/nowhere/file", absent).message).toBe(
    "cannot write /nowhere/file: there is no folder /nowhere",
  );
});

test.skipIf(Bun.which("openssl") === null)("each certificate problem has its own message", async () => {
  const { authority, good, selfSigned, expired, otherName } = makeCertificates();
  for (const [{ cert, key }, ca, words] of [
    [selfSigned, undefined, "certificate is self-signed"],
    [good, undefined, "certificate is signed by an unknown authority"],
    [expired, authority, "certificate has expired"],
    [otherName, authority, "certificate is issued for another name"],
  ] as const) {
    const tls = { cert, key };
    await using server = Bun.serve({ hostname: "127.0.0.1", port: 0, tls, fetch: () => new Response("ok") });
    const asked = fetch(`https://localhost:${server.port}`, { tls: ca === undefined ? {} : { ca } });
    expect(errorText(await asked.catch((thrown: unknown) => thrown))).toBe(words);
  }
});

test("only a listener is told that the address is not one of this machine", () => {
  const error = Object.assign(new Error("address not available"), { code: "EADDRNOTAVAIL" });
  expect(errorText(error)).toBe("no free local port");
  expect(errorText(Object.assign(error, { syscall: "listen" }))).toBe("it is not an address of this machine");
});

test("every error code that a @throws comment names exists", async () => {
  const unknown: string[] = [];
  let codes = 0;
  for await (const file of new Bun.Glob("**/*.ts").scan(SRC)) {
    const text = await Bun.file(join(SRC, file)).text();
    for (const [, described = ""] of text.matchAll(
      /@throws \{[^}]*UserError[^}]*\}(.*?)(?:\n *\* *@|\*\/)/gs,
    )) {
      for (const [, code = ""] of described.matchAll(/`([a-z]+(?:-[a-z]+)*)`/g)) {
        codes++;
        if (!(code in ERROR_CODES)) unknown.push(`${file}: ${code}`);
      }
    }
  }
  expect(unknown).toEqual([]);
  expect(codes).toBeGreaterThan(50);
});
