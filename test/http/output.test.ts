import { expect, test } from "bun:test";
import { Output } from "../../src/http/output.ts";

test("bytes that a peer accepts piece by piece arrive in order, even if the caller reuses its buffer", () => {
  let taken = "";
  let room = 0;
  const output = new Output({
    write(bytes, start = 0, count = (bytes as Uint8Array).length) {
      const piece = Buffer.from((bytes as Uint8Array).subarray(start, start + Math.min(room, count)));
      room -= piece.length;
      taken += piece.toString();
      return piece.length;
    },
  });
  const shared = Buffer.alloc(10);
  for (const text of ["0123456789", "abcdefghij", "ABCDEFGHIJ"]) {
    room = text === "0123456789" ? 3 : 5;
    shared.write(text);
    output.write(shared, 0, 10);
  }
  expect(output.isFlushed).toBe(false);
  while (!output.isFlushed) {
    room = 4;
    output.drain();
  }
  expect(taken).toBe("0123456789abcdefghijABCDEFGHIJ");
});

test("a closed connection accepts nothing, and nothing is queued for it", () => {
  const output = new Output({ write: () => -1 });
  output.write(Buffer.from("abc"), 0, 3);
  expect(output.isFlushed).toBe(true);
});
