import { afterAll, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { AnswerTooLargeError, readBody, readBodyText } from "../../src/lib/bounded-body.ts";

let respond = () => new Response("");
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => respond() });
afterAll(() => server.stop(true));
const get = () => fetch(server.url);

test("an answer within the limit is read whole", async () => {
  respond = () => new Response("é".repeat(500));
  expect(await readBodyText(await get(), 1000)).toBe("é".repeat(500));
  respond = () => new Response(null, { status: 204 });
  expect(await readBody(await get(), 1000)).toHaveLength(0);
});

test("an answer that declares too much is not read", async () => {
  respond = () => new Response(new Uint8Array(1001));
  await expect(readBody(await get(), 1000)).rejects.toThrow(AnswerTooLargeError);
});

test("an answer that inflates to too much is abandoned", async () => {
  respond = () => new Response(gzipSync(new Uint8Array(1e6)), { headers: { "Content-Encoding": "gzip" } });
  await expect(readBody(await get(), 100_000)).rejects.toThrow(AnswerTooLargeError);
});

test("an answer without an end is abandoned, and its connection is closed", async () => {
  const { promise: canceled, resolve } = Promise.withResolvers<void>();
  respond = () =>
    new Response(
      new ReadableStream({
        async pull(controller) {
          controller.enqueue(new Uint8Array(1000));
          await Bun.sleep(0);
        },
        cancel: () => resolve(),
      }),
    );
  await expect(readBody(await get(), 10_000)).rejects.toThrow("the answer is larger than");
  await canceled;
});
