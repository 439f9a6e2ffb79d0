import { describe, expect, test } from "bun:test";
import { apiUrl, fetchAs, hideInUrls, hideSecrets, parseEndpoint } from "../../src/lib/endpoint.ts";

const basic = (text: string) => ({ Authorization: `Basic ${Buffer.from(text).toString("base64")}` });

describe("parseEndpoint", () => {
  test.each([
    ["http://localhost:9411", "http://localhost:9411"],
    ["HTTP://LocalHost:9411/", "http://localhost:9411"],
    ["https://h:443//", "https://h"],
    ["http://[::1]:9411/a/", "http://[::1]:9411/a"],
    ["http://h/a/?tenant=x", "http://h/a?tenant=x"],
    ["http://h?tenant=x", "http://h/?tenant=x"],
    ["http://h:9411/#token=abc", "http://h:9411"],
  ])("the base URL %s is %s", (text, url) => {
    expect(parseEndpoint(text)).toEqual({ url, headers: {} });
  });

  test.each([
    ["http://h", "http://h"],
    ["http://h/", "http://h"],
    ["http://h/a/", "http://h/a/"],
    ["http://h//a?x=1#f", "http://h//a?x=1"],
  ])("the exact URL %s is asked as %s", (text, url) => {
    expect(parseEndpoint(text, true)).toEqual({ url, headers: {} });
  });

  test.each([
    ["http://u:p@h/a", "u:p"],
    ["http://u@h/a", "u:"],
    ["http://:p@h/a", ":p"],
    ["http://us%C3%A9r:p%40s%3As@h/a", "usér:p@s:s"],
    ["http://usér:p@ss@h/a", "usér:p@ss"],
    ["http://u:100%25%zz@h/a", "u:100%%zz"],
  ])("the user of %s becomes a header, and is not in the URL", (text, pair) => {
    expect(parseEndpoint(text)).toEqual({ url: "http://h/a", headers: basic(pair) });
  });

  test.each([
    ["localhost:9411", "an http or https URL"],
    ["//localhost:9411", "an http or https URL"],
    ["grpc://localhost:4317", "an http or https URL"],
    ["http:/localhost", "an http or https URL"],
    ["http:///path", "an http or https URL"],
    ["http://?x", "an http or https URL"],
    ["http://::1:9411", "an http or https URL"],
    ["http://256.1.1.1", "an http or https URL"],
    ["http://h:65536", "a port from 1 to 65535"],
    ["http://[::1]:70000/a", "a port from 1 to 65535"],
    ["http://h:0", "a port from 1 to 65535"],
    ["http://h/a b", "without spaces"],
    [" http://h", "without spaces"],
    ["http://h\n", "without spaces"],
    ["http://a%3Ab:c@h", "no colon"],
    ["http://a:b%0d%0ac@h", "no control characters"],
    ["", "an http or https URL"],
  ])("%j is no URL to ask, and what was expected is said", (text, expected) => {
    expect(parseEndpoint(text)).toEqual(expect.stringContaining(expected));
  });
});

describe("apiUrl", () => {
  test.each([
    ["http://h", "http://h/v1/traces"],
    ["http://h/otlp", "http://h/otlp/v1/traces"],
    ["http://h/v1", "http://h/v1/v1/traces"],
    ["http://h/v1/traces", "http://h/v1/traces"],
    ["http://h/x/v1/traces/?a=1", "http://h/x/v1/traces?a=1"],
    ["http://h/xv1/traces", "http://h/xv1/traces/v1/traces"],
    ["http://h//x///y//", "http://h/x/y/v1/traces"],
    ["http://h/a%2Fb", "http://h/a%2Fb/v1/traces"],
  ])("OTLP of %s goes to %s", (base, url) => {
    expect(apiUrl(base, "otlp", "/v1/traces")).toBe(url);
  });

  test("the queries of the base URL and of the request are joined", () => {
    expect(apiUrl("http://h/z/api/v2?tenant=a", "zipkin", "/api/v2/traces?limit=3")).toBe(
      "http://h/z/api/v2/traces?tenant=a&limit=3",
    );
  });

  test("a query that contains question marks stays whole", () => {
    expect(apiUrl("http://h", "zipkin", "/api/v2/traces?annotationQuery=url=/a?b=1?&limit=3")).toBe(
      "http://h/api/v2/traces?annotationQuery=url=/a?b=1?&limit=3",
    );
  });
});

test.each([
  ["http://u:p@h/a", "http://***@h/a"],
  ["http://u:p/q@h", "http://***@h"],
  ["u:p@h:9411", "***@h:9411"],
  ["zipkin=http://u:p@h", "zipkin=http://***@h"],
  ["b=http://u:p@b,c=http://v:q@c", "b=http://***@c"],
  ["http://h/#token=abc", "http://h/#***"],
  ["http://h/a@b", "http://h/a@b"],
])("%s is shown as %s", (text, shown) => {
  expect(hideSecrets(text)).toBe(shown);
});

test("the users of all URLs in a text are hidden, and nothing else", () => {
  expect(hideInUrls('cannot read http://u:p@s/s@h/a: see "https://v@i/x", mail a@b')).toBe(
    'cannot read http://***@h/a: see "https://***@i/x", mail a@b',
  );
});

test("a redirect to another host is followed without the user's password", async () => {
  const seen: (string | null)[] = [];
  const note = ({ headers }: Request) => seen.push(headers.get("authorization"));
  await using other = Bun.serve({
    port: 0,
    fetch(request) {
      note(request);
      return new Response("there");
    },
  });
  await using server = Bun.serve({
    port: 0,
    fetch(request) {
      note(request);
      return Response.redirect(`http://localhost:${other.port}/`);
    },
  });
  const response = await fetchAs({ headers: basic("u:p") })(`http://127.0.0.1:${server.port}/`);
  expect(await response.text()).toBe("there");
  expect(seen).toEqual([basic("u:p").Authorization, null]);
});
