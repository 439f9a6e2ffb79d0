import { expect, test } from "bun:test";
import { ZipkinReader } from "../../../src/verify/backend/zipkin-reader.ts";

test("the page of a trace is found whether or not the backend's URL names the page's path", () => {
  for (const url of ["http://h:9411", "http://h:9411/", "http://h:9411/zipkin", "http://h:9411/zipkin/"])
    expect(new ZipkinReader(url, "Zipkin").pageOf("ab")).toBe("http://h:9411/zipkin/traces/ab");
});
