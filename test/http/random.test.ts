import { expect, test } from "bun:test";
import { Fields } from "../../src/http/fields.ts";
import { INCOMPLETE } from "../../src/http/problem.ts";
import { RequestHead } from "../../src/http/request-head.ts";
import { ResponseHead } from "../../src/http/response-head.ts";
import { checkRequests, checkResponse } from "../fuzz/http-check.ts";

/** `bun test/fuzz/http.ts` runs more of these. */
const COUNT = 3000;

test("the client agrees with a slow and plain parser on random and broken responses, in pieces of any size", () => {
  for (let seed = 1; seed <= COUNT; seed++) checkResponse(seed);
});

test("the server agrees with a slow and plain parser on random and broken requests, in pieces of any size", () => {
  for (let seed = 1; seed <= COUNT; seed++) checkRequests(seed);
});

for (const [what, head, text] of [
  ["request", new RequestHead(), "\r\nPOST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX:\ty \r\n\r\n"],
  ["response", new ResponseHead(), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX:\ty \r\n\r\n"],
] as const) {
  test(`a ${what} is incomplete after each of its bytes except the last, and later bytes do not change it`, () => {
    for (let end = 0; end < text.length; end++) {
      expect(head.scan(Buffer.from(text), 0, end)).toBe(INCOMPLETE);
    }
    expect(head.scan(Buffer.from(`${text}more`), 0, text.length + 4)).toBe(text.length);
    expect(head.fields.contentLength).toBe(3);
    expect(head.fields.get("x")).toBe("y");
  });
}

test("headers are found in any case, even if there are more than the initial capacity", () => {
  const fields = new Fields();
  const lines = Array.from({ length: 200 }, (_, i) => `Name-${i}: ${i}\r\n`).join("");
  const bytes = Buffer.from(`${lines}NAME-7: again\r\n\r\n`);
  expect(fields.scan(bytes, 0, bytes.length)).toBe(bytes.length);
  expect(fields.get("nAmE-199")).toBe("199");
  expect(fields.get("name-7")).toBe("7, again");
  expect(fields.get("name-")).toBeNull();
});
