import { expect, test } from "bun:test";
import fc from "fast-check";
import { readUtf8 } from "../../src/trace/text-cache.ts";

test("any bytes are decoded as by TextDecoder, whether read once or twice", () => {
  const some = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.string({ unit: "binary", maxLength: 60 }).map((text) => Uint8Array.from(Buffer.from(text))),
    fc
      .constantFrom("", "a", "é", "\u00e9", "http.method", "\ufffd")
      .map((text) => Uint8Array.from(Buffer.from(text))),
  );
  fc.assert(
    fc.property(fc.array(some), (list) => {
      for (const bytes of [...list, ...list]) {
        const around = Buffer.concat([Buffer.from("x"), bytes, Buffer.from("é")]);
        expect(readUtf8(around, 1, 1 + bytes.length)).toBe(Buffer.from(bytes).toString("utf8"));
      }
    }),
  );
});
