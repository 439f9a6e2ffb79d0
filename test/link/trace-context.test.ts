/**
 * Every MUST of W3C Trace Context Level 2 (https://www.w3.org/TR/trace-context-2/), on a real link and the bytes that it
 * sends. Each group names the section of the specification.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { graphOf, startChain, type TestChain } from "../helpers/chain.ts";
import { openRaw, type RawServer, rawAnswer, startRawServer } from "../helpers/raw-http.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const VALID = `00-${TRACE}-${PARENT}-01`;

let chain: TestChain;
let callee: RawServer;
let heads: string[] = [];

beforeAll(async () => {
  callee = await startRawServer((socket, text) => {
    heads.push(text);
    socket.write(rawAnswer(200, "{}"));
  });
  chain = startChain(graphOf({ a: { calls: ["b", "b", "b"] }, b: {} }), {
    absent: ["b"],
    urls: { b: callee.url },
  });
});

afterAll(async () => {
  await chain[Symbol.asyncDispose]();
  await callee[Symbol.asyncDispose]();
});

interface Sent {
  readonly version: string;
  readonly traceId: string;
  readonly parentId: string;
  readonly flags: string;
  /** The values of all `tracestate` lines. */
  readonly tracestate: readonly string[];
}

/** The context of the three calls that the link makes for a request with these header lines. */
async function callsFor(...lines: string[]): Promise<{ calls: Sent[]; answer: string }> {
  heads = [];
  const connection = await openRaw(chain.url);
  connection.socket.write(
    Buffer.from(["GET / HTTP/1.1", "Host: a", "Connection: close", ...lines, "", ""].join("\r\n"), "latin1"),
  );
  const answer = await connection.closed;
  expect(answer).toStartWith("HTTP/1.1 200 ");
  const calls = heads.map((head) => {
    const values = (name: string) =>
      [...head.matchAll(new RegExp(`^${name}: (.*)\r$`, "gim"))].map(([, value = ""]) => value);
    const parents = values("traceparent");
    expect(parents).toHaveLength(1);
    const [, version = "", traceId = "", parentId = "", flags = ""] =
      /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(parents[0] ?? "") ?? [];
    return { version, traceId, parentId, flags, tracestate: values("tracestate") };
  });
  expect(calls).toHaveLength(3);
  return { calls, answer };
}

async function callFor(...lines: string[]): Promise<Sent> {
  return (await callsFor(...lines)).calls[0] as Sent;
}

const w3c = (value: string) => `traceparent: ${value}`;
const state = (value: string) => `tracestate: ${value}`;
const ids = (call: Sent) => [call.traceId, call.parentId];

function expectRestart(call: Sent): void {
  expect(call.traceId).not.toBe(TRACE);
  expect(call.traceId).not.toBe("0".repeat(32));
  expect(call.parentId).not.toBe("0".repeat(16));
  expect(call.version).toBe("00");
  expect(call.tracestate).toEqual([]);
}

describe("3.2.2.3 an invalid trace-id makes the header void", () => {
  test.each([
    ["zeros", "0".repeat(32)],
    ["upper case", TRACE.toUpperCase()],
    ["a character that is not hex", `${TRACE.slice(1)}g`],
    ["31 digits", TRACE.slice(1)],
    ["33 digits", `${TRACE}0`],
  ])("%s", async (_what, traceId) => {
    expectRestart(await callFor(w3c(`00-${traceId}-${PARENT}-01`), state("foo=1")));
  });
});

describe("3.2.2.4 an invalid parent-id makes the header void", () => {
  test.each([
    ["zeros", "0".repeat(16)],
    ["upper case", PARENT.toUpperCase()],
    ["a character that is not hex", `${PARENT.slice(1)}.`],
    ["15 digits", PARENT.slice(1)],
    ["17 digits", `${PARENT}0`],
  ])("%s", async (_what, parentId) => {
    expectRestart(await callFor(w3c(`00-${TRACE}-${parentId}-01`), state("foo=1")));
  });
});

describe("3.2.2.5.2 the random-trace-id flag", () => {
  test.each(["02", "03"])("that is set in %s is set in every outgoing traceparent", async (flags) => {
    const { calls } = await callsFor(w3c(`00-${TRACE}-${PARENT}-${flags}`));
    expect(calls.map((call) => [call.traceId, call.flags])).toEqual(Array(3).fill([TRACE, flags]));
  });

  test.each(["00", "01"])("that is unset in %s is unset in every outgoing traceparent", async (flags) => {
    const { calls } = await callsFor(w3c(`00-${TRACE}-${PARENT}-${flags}`));
    expect(calls.map((call) => [call.traceId, call.flags])).toEqual(Array(3).fill([TRACE, flags]));
  });

  test.each([
    ["02", "tracestate: foo=1"],
    ["03", "tracestate: foo=1"],
    ["02", `b3: ${TRACE}-${PARENT}-0`],
    ["03", `X-B3-TraceId: ${TRACE}`],
  ])("in flags %s is also kept beside %s", async (flags, line) => {
    expect((await callFor(w3c(`00-${TRACE}-${PARENT}-${flags}`), line)).flags).toBe(flags);
  });

  test("is set for a new trace, in its calls and in the answer", async () => {
    const { calls, answer } = await callsFor();
    expect(calls.map(({ flags }) => flags)).toEqual(["03", "03", "03"]);
    expect(answer).toMatch(/\r\ntraceresponse: 00-[0-9a-f]{32}--03\r\n/);
    expect((await callFor(w3c(`00-${"0".repeat(32)}-${PARENT}-00`))).flags).toBe("03");
  });

  test("is justified: the last 7 bytes of new trace ids are uniform", async () => {
    const bytes = new Map<number, number>();
    const requests = 300;
    for (let i = 0; i < requests; i++) {
      for (const byte of Buffer.from((await callFor()).traceId.slice(-14), "hex")) {
        bytes.set(byte >> 4, (bytes.get(byte >> 4) ?? 0) + 1);
      }
    }
    const expected = (requests * 7) / 16;
    const chiSquare = [...bytes.values()].reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    expect(bytes.size).toBe(16);
    // 15 degrees of freedom: a value above 60 occurs once in 10 million runs.
    expect(chiSquare).toBeLessThan(60);
  });

  test("is unset for a trace id that came as B3, perhaps with 64 bits (section 8.3)", async () => {
    for (const traceId of [TRACE, TRACE.slice(16)]) {
      const call = await callFor(w3c("malformed"), `b3: ${traceId}-${PARENT}-1`);
      expect(call.traceId).toBe(traceId.padStart(32, "0"));
      expect(call.flags).toBe("01");
    }
  });
});

describe("3.2.2.5.3 other flags are zero on outgoing requests", () => {
  test.each([
    ["00", "04", "00"],
    ["00", "fc", "00"],
    ["00", "fd", "01"],
    ["00", "fe", "02"],
    ["00", "ff", "03"],
    ["cc", "ff", "03"],
    ["cc", "80", "00"],
  ])("version %s, flags %s leave as %s", async (version, flags, sent) => {
    const call = await callFor(w3c(`${version}-${TRACE}-${PARENT}-${flags}`));
    expect([call.traceId, call.flags]).toEqual([TRACE, sent]);
  });
});

describe("3.2.4 versioning of traceparent", () => {
  test.each(["", "-", "-what-the-future-will-be-like", "-00-01"])(
    "a later version followed by %j continues as version 00",
    async (rest) => {
      for (const version of ["01", "cc", "fe"]) {
        const call = await callFor(w3c(`${version}-${TRACE}-${PARENT}-01${rest}`));
        expect(call).toMatchObject({ version: "00", traceId: TRACE, flags: "01" });
      }
    },
  );

  test.each([
    ["a version that is not two hex digits", `0-${TRACE}-${PARENT}-01`],
    ["a version of three digits", `000-${TRACE}-${PARENT}-01`],
    ["a version that is not hex", `.0-${TRACE}-${PARENT}-01`],
    ["a version in upper case", `CC-${TRACE}-${PARENT}-01`],
    ["version ff", `ff-${TRACE}-${PARENT}-01`],
    ["a later version of fewer than 55 characters", `cc-${TRACE}-${PARENT}-1`],
    ["a later version with a trace-id that is not hex", `cc-${TRACE.slice(1)}g-${PARENT}-01`],
    ["a later version whose trace-id is not followed by a dash", `cc-${TRACE}.${PARENT}-01`],
    ["a later version with a parent-id that is not hex", `cc-${TRACE}-${PARENT.slice(1)}g-01`],
    ["a later version whose parent-id is not followed by a dash", `cc-${TRACE}-${PARENT}.01`],
    ["a later version whose flags are followed by no dash", `cc-${TRACE}-${PARENT}-01.rest`],
    ["a later version whose flags are not hex", `cc-${TRACE}-${PARENT}-0g`],
    ["version 00 with more fields", `00-${TRACE}-${PARENT}-01-rest`],
    ["version 00 with a dash behind", `00-${TRACE}-${PARENT}-01-`],
    ["version 00 with flags of three digits", `00-${TRACE}-${PARENT}-001`],
    ["version 00 with flags that are not hex", `00-${TRACE}-${PARENT}-.0`],
  ])("%s restarts the trace", async (_what, traceparent) => {
    expectRestart(await callFor(w3c(traceparent), state("foo=1")));
  });

  test.each(["00", "cc"])("two traceparent headers of version %s restart the trace", async (version) => {
    const other = `${version}-${TRACE.replace("0", "1")}-${PARENT}-01`;
    for (const first of [`${version}-${TRACE}-${PARENT}-01`, `cc-${TRACE}-${PARENT}-01-x`]) {
      const call = await callFor(w3c(first), w3c(other));
      expectRestart(call);
      expect(other).not.toContain(call.traceId);
    }
  });

  test("blanks around the value are ignored", async () => {
    for (const value of [`\t ${VALID}`, `${VALID} \t`])
      expect((await callFor(w3c(value))).traceId).toBe(TRACE);
  });

  test("the header name is case-insensitive", async () => {
    for (const name of ["traceparent", "TraceParent", "TRACEPARENT"])
      expect((await callFor(`${name}: ${VALID}`)).traceId).toBe(TRACE);
    for (const name of ["trace-parent", "trace.parent"]) expectRestart(await callFor(`${name}: ${VALID}`));
  });
});

describe("3.3 tracestate belongs to a traceparent", () => {
  test("4.2 a tracestate without a traceparent is discarded", async () => {
    expect((await callFor(state("foo=1"))).tracestate).toEqual([]);
    expect((await callFor(state("foo=1"), `b3: ${TRACE}-${PARENT}-1`, w3c("x"))).tracestate).toEqual([]);
  });

  test.each([
    ["no equals sign", "foo"],
    ["no key and no value", "="],
    ["a key in upper case", "FOO=1"],
    ["two equals signs", "foo=1=2"],
    ["a byte beyond ASCII", "foo=\x80"],
    ["600 letters", "a".repeat(600)],
    ["40 members", "a=1,".repeat(40)],
  ])("a malformed tracestate with %s is discarded, and the traceparent is kept", async (_what, value) => {
    const call = await callFor(w3c(VALID), state(value));
    expect([call.traceId, call.flags, call.tracestate]).toEqual([TRACE, "01", []]);
  });
});

describe("3.3.2 tracestate field values", () => {
  const sent = async (...values: string[]) => (await callFor(w3c(VALID), ...values.map(state))).tracestate;

  test("several header lines are combined into one, in their order", async () => {
    expect(await sent("foo=1,bar=2", "rojo=1,congo=2", "baz=3")).toEqual([
      "foo=1,bar=2,rojo=1,congo=2,baz=3",
    ]);
  });

  test("an empty value is accepted and not sent on", async () => {
    for (const values of [[""], [" \t"], [","], [" , ,", ""]]) {
      expect(await sent(...values)).toEqual([]);
      expect((await callFor(w3c(VALID), ...values.map(state))).traceId).toBe(TRACE);
    }
    for (const values of [["foo=1", ""], ["", "foo=1"], [",foo=1,"], [" , \t,foo=1"]])
      expect(await sent(...values)).toEqual(["foo=1"]);
  });

  test("the header name is case-insensitive", async () => {
    for (const name of ["TraceState", "TRACESTATE"])
      expect((await callFor(w3c(VALID), `${name}: foo=1`)).tracestate).toEqual(["foo=1"]);
    for (const name of ["trace-state", "trace.state"])
      expect((await callFor(w3c(VALID), `${name}: foo=1`)).tracestate).toEqual([]);
  });

  test("3.3.2.1 blanks around members are ignored", async () => {
    expect(await sent("foo=1 \t , \t bar=2, \t baz=3")).toEqual(["foo=1,bar=2,baz=3"]);
  });

  const members = (count: number) => Array.from({ length: count }, (_, i) => `k${i}=${i}`);

  test("3.3.2.1 a list of 32 members is sent on and one of 33 is discarded; empty members do not count", async () => {
    expect(await sent(members(32).join())).toEqual([members(32).join()]);
    expect(await sent(members(20).join(), members(12).join())).toEqual([
      `${members(20).join()},${members(12).join()}`,
    ]);
    expect(await sent(members(32).join(" , , "))).toEqual([members(32).join()]);
    expect(await sent(members(33).join())).toEqual([]);
    expect(await sent(members(20).join(), members(13).join())).toEqual([]);
  });

  test("3.3.2.2.1 a key of up to 256 characters that begins with a lower-case letter or a digit is sent on", async () => {
    for (const key of [
      "a",
      "0",
      "1a-2b@c",
      "foo@",
      "foo@@bar",
      "foo@bar@baz",
      "abcdefghijklmnopqrstuvwxyz0123456789_-*/@a-z0-9_-*/",
      "z".repeat(256),
      `${"t".repeat(241)}@${"v".repeat(14)}`,
    ])
      expect(await sent(`${key}=1`, "bar=2")).toEqual([`${key}=1,bar=2`]);
  });

  test("3.3.2.2.1 any other key makes the list malformed", async () => {
    const keys = [
      "",
      "@foo",
      "-a",
      "_a",
      "*a",
      "/a",
      "A",
      "fOo",
      "foo ",
      "foo.bar",
      "f\u00fc",
      "z".repeat(257),
    ];
    for (const key of keys) expect(await sent(`${key}=1,bar=2`)).toEqual([]);
  });

  test("3.3.2.2.2 a value has up to 256 printable characters, and keeps its leading blanks", async () => {
    const printable = Array.from({ length: 0x5f }, (_, i) => String.fromCharCode(0x20 + i))
      .filter((character) => character !== "," && character !== "=")
      .join("");
    for (const value of [printable, "  1", "v".repeat(256), `${" ".repeat(255)}v`])
      expect(await sent(`foo=${value},bar=2`)).toEqual([`foo=${value},bar=2`]);
    for (const value of ["", "  ", "a=b", "a\tb", "\u00e9", "v".repeat(257)])
      expect(await sent(`foo=${value},bar=2`)).toEqual([]);
  });
});

describe("3.3.3 combined header value", () => {
  test("3.3.3.1 a value of at least 512 characters is sent on unchanged", async () => {
    const value = Array.from({ length: 4 }, (_, i) => `k${i}=${"v".repeat(124)}`).join();
    expect(value.length).toBeGreaterThan(508);
    expect((await callFor(w3c(VALID), state(value))).tracestate).toEqual([value]);
    const long = Array.from({ length: 32 }, (_, i) => `k${i + 10}=${"v".repeat(256)}`).join();
    expect((await callFor(w3c(VALID), state(long))).tracestate).toEqual([long]);
  });

  test("a duplicate key is sent on, either once or unchanged", async () => {
    expect((await callFor(w3c(VALID), state("foo=1,foo=2"))).tracestate.join()).toContain("foo=");
  });
});

describe("3.4 mutating the traceparent field", () => {
  test("each call has a parent-id of its own, sampled or not", async () => {
    for (const flags of ["00", "01", "02", "03"]) {
      const { calls } = await callsFor(w3c(`00-${TRACE}-${PARENT}-${flags}`));
      for (const call of calls) {
        expect(call.traceId).toBe(TRACE);
        expect(call.parentId).not.toBe(PARENT);
      }
    }
    const { calls } = await callsFor(w3c(VALID));
    expect(new Set(calls.map(({ parentId }) => parentId)).size).toBe(3);
  });

  test("4.2 a restarted trace has new ids in each request", async () => {
    const malformed = w3c(`00-${TRACE}-${"0".repeat(16)}-01`);
    const [one, other] = [await callFor(malformed), await callFor(malformed)];
    expect(ids(one)).not.toEqual(ids(other));
  });
});

describe("3.5 mutating the tracestate field", () => {
  test("the members are sent on in their order", async () => {
    const { calls } = await callsFor(w3c(VALID), state("z=1,a=2,m=3"));
    for (const { tracestate } of calls) expect(tracestate).toEqual(["z=1,a=2,m=3"]);
  });
});
