/** Whatever arrives in a header that a link passes on, in either direction, stays the value of that header. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { quickChain, startChain } from "../helpers/chain.ts";
import { openRaw, startRawServer } from "../helpers/raw-http.ts";
import { readRequests, readResponse } from "../http/oracle.ts";

const LIMITS = { headBytes: 64 * 1024, bodyBytes: 1024 };
const RUNS = { numRuns: 400 };

const CONTEXT = {
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  tracestate: "a=1",
  baggage: "k=v",
  "x-request-id": "7",
  b3: "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
  "x-b3-traceid": "0af7651916cd43dd8448eb211c80319c",
  "x-b3-spanid": "b7ad6b7169203331",
  "x-b3-parentspanid": "b7ad6b7169203332",
  "x-b3-sampled": "1",
  "x-b3-flags": "1",
};
const PASSED = new Set([...Object.keys(CONTEXT), "host", "x-current-service"]);
const GIVEN = new Set([
  ...["date", "content-length", "connection", "content-type", "content-encoding", "location"],
  ...["chain-link-ledger", "traceresponse", "chain-link-trace"],
]);

/** Bytes that end lines, names and values, and the header that an attacker would inject. */
const hostile = fc
  .array(
    fc.constantFrom(
      "\r",
      "\n",
      "\r\n",
      "\0",
      "\t",
      " ",
      ":",
      ",",
      ";",
      "a",
      "\x7f",
      "\x80",
      "\xff",
      "X-Evil: 1",
    ),
    {
      maxLength: 8,
    },
  )
  .map((parts) => parts.join(""));

function namesOf(fields: readonly (readonly [string, string])[]): string[] {
  return fields.map(([name]) => name.toLowerCase());
}

/** Sends bytes and returns everything received until the connection ends. */
async function ask(url: string, head: string): Promise<string> {
  const connection = await openRaw(url);
  connection.socket.write(Buffer.from(`${head}\r\n\r\n`, "latin1"));
  return connection.closed;
}

test("a header from a caller never injects another header or request into the outgoing call", async () => {
  const seen: string[] = [];
  await using callee = await startRawServer((socket, text) => {
    seen.push(text);
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  });
  await using chain = startChain(quickChain("a", "b"), { absent: ["b"], urls: { b: callee.url } });
  const headers = fc.dictionary(
    fc.constantFrom(...(Object.keys(CONTEXT) as (keyof typeof CONTEXT)[])),
    hostile,
  );
  let calls = 0;
  await fc.assert(
    fc.asyncProperty(headers, fc.boolean(), async (values, isAppended) => {
      seen.length = 0;
      const lines = Object.entries(values).map(
        ([name, value]) => `${name}: ${isAppended ? CONTEXT[name as keyof typeof CONTEXT] : ""}${value}`,
      );
      const head = ["GET / HTTP/1.1", "Host: a", "Connection: close", ...lines].join("\r\n");
      await ask(chain.url, head);
      const { requests, end } = readRequests(seen.join(""), LIMITS);
      expect(end).toBeNull();
      expect(requests.length).toBeLessThanOrEqual(1);
      for (const { startLine, fields } of requests) {
        calls++;
        expect(startLine).toEqual(["GET", "/forward"]);
        expect(namesOf(fields).filter((name) => !PASSED.has(name))).toEqual([]);
      }
    }),
    RUNS,
  );
  // Some requests were accepted, or the check above would prove nothing.
  expect(calls).toBeGreaterThan(RUNS.numRuns / 20);
}, 60_000);

test("a header from a callee never injects another header or answer into the link's answer", async () => {
  let answer = "";
  await using callee = await startRawServer((socket) => void socket.end(Buffer.from(answer, "latin1")));
  await using chain = startChain(quickChain("a", "b"), { absent: ["b"], urls: { b: callee.url } });
  const names = [
    "Content-Type",
    "Content-Encoding",
    "Location",
    "chain-link-ledger",
    "traceresponse",
    "chain-link-trace",
  ];
  const headers = fc.dictionary(fc.constantFrom(...names), hostile);
  let passed = 0;
  await fc.assert(
    fc.asyncProperty(headers, async (values) => {
      const lines = Object.entries(values).map(([name, value]) => `${name}: ${value}\r\n`);
      answer = `HTTP/1.1 200 OK\r\n${lines.join("")}Content-Length: 2\r\n\r\n{}`;
      const text = await ask(chain.url, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close");
      const found = readResponse(text, LIMITS, false);
      if (typeof found === "string") throw new Error(`${found}: ${JSON.stringify(text)}`);
      if (found.status === 200) passed++;
      expect([200, 502]).toContain(found.status);
      expect(namesOf(found.fields).filter((name) => !GIVEN.has(name))).toEqual([]);
      expect(text.split("HTTP/1.1 ")).toHaveLength(2);
    }),
    RUNS,
  );
  expect(passed).toBeGreaterThan(RUNS.numRuns / 20);
}, 60_000);
