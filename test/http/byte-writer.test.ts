import { expect, test } from "bun:test";
import { ByteWriter } from "../../src/http/byte-writer.ts";

test("numbers are written in decimal", () => {
  for (const value of [0, 1, 9, 10, 11, 99, 100, 101, 65_535, 65_536, 999_999_999_999_999]) {
    const out = new ByteWriter(1);
    out.decimal(value);
    expect(out.take().toString()).toBe(String(value));
  }
});

test("bytes of any length are copied, and the buffer grows to hold them", () => {
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

test("a byte is written many times, and the buffer is released", () => {
  const writer = new ByteWriter(4);
  writer.latin1("ab");
  writer.fill(0x78, 5000);
  writer.latin1("c");
  expect(writer.take().toString()).toBe(`ab${"x".repeat(5000)}c`);
  writer.shrink(4000);
  expect([writer.length, writer.bytes.length <= 4000]).toEqual([0, true]);
  writer.latin1("anew");
  const { bytes } = writer;
  writer.shrink(4000);
  expect(writer.bytes).toBe(bytes);
});
