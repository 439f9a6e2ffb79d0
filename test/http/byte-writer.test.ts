import { expect, test } from "bun:test";
import { ByteWriter } from "../../src/http/byte-writer.ts";

test("numbers are written as they are read", () => {
  for (const value of [0, 1, 9, 10, 11, 99, 100, 101, 65_535, 65_536, 999_999_999_999_999]) {
    const out = new ByteWriter(1);
    out.decimal(value);
    expect(out.take().toString()).toBe(String(value));
  }
});

test("bytes of any length are copied from where they lie, and room is made for them", () => {
  const source = Buffer.from("0123456789".repeat(100));
  const out = new ByteWriter(1);
  let expected = "";
  for (let i = 0; i < 100; i++) {
    out.copy(source, i, i * 7);
    out.latin1("\xe9");
    expected += `${source.toString("latin1", i, i * 7)}\xe9`;
  }
  expect(out.take().toString("latin1")).toBe(expected);
});
