import { test } from "bun:test";
import { describeZipkinContract } from "../collector/zipkin-contract.ts";

// The contract that the collector is held to, held against the original: `ZIPKIN_URL=http://localhost:9411 bun test`.
const url = process.env.ZIPKIN_URL?.replace(/\/$/, "");

if (url) describeZipkinContract(`Zipkin at ${url}`, () => url);
else test.skip("the Zipkin contract holds for a real Zipkin (set ZIPKIN_URL to run it)", () => {});
