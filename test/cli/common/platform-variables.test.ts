import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { runCli, temporaryFolder } from "../../helpers/cli.ts";
import { answerOnce } from "../../helpers/link-process.ts";

const TRACE_ID = "9f86d081884c7d659f86d081884c7d65";
const SAMPLED = { traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01` };
/** Nothing is sent then. */
const UNSAMPLED = { traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-00` };

interface Posted {
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** A receiver of spans. */
function startReceiver(tls?: Bun.TLSOptions) {
  const posted: Posted[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    ...(tls && { tls }),
    async fetch(request) {
      const body = await request.bytes();
      posted.push({ path: new URL(request.url).pathname, headers: request.headers, body });
      return new Response("{}", { headers: { "Content-Type": "application/json" } });
    },
  });
  const url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${server.port}`;
  return { posted, url, [Symbol.asyncDispose]: () => server.stop(true) };
}

const warningsIn = (text: string) => text.split("\n").filter((line) => line.startsWith("WARNING"));

/** A value that chain-link cannot use, what it then does, and a word of the warning. */
const UNUSABLE: readonly [variable: string, value: string, path: string | null, warning: string][] = [
  ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "/v1/traces", "http/protobuf"],
  ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "GRPC", "/v1/traces", "http/protobuf"],
  ["OTEL_PROPAGATORS", "none", "/v1/traces", "none"],
  ["OTEL_PROPAGATORS", "xray", "/v1/traces", "using tracecontext,baggage"],
  ["OTEL_PROPAGATORS", "jaeger,ottrace,B3", "/v1/traces", "using b3"],
  ["OTEL_TRACES_SAMPLER", "parentbased_jaeger_remote", "/v1/traces", "using parentbased_always_on"],
  ["OTEL_TRACES_EXPORTER", "console", "/v1/traces", "using the default"],
  ["OTEL_TRACES_EXPORTER", "console,otlp", "/v1/traces", "using otlp"],
  ["OTEL_TRACES_EXPORTER", "none", null, "record no spans"],
  ["OTEL_SDK_DISABLED", "True", null, "record no spans"],
  ["OTEL_SDK_DISABLED", "1", "/v1/traces", "using false"],
  ["OTEL_BSP_MAX_QUEUE_SIZE", "-1", "/v1/traces", "using 16384"],
  ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "many", "/v1/traces", "using 512"],
  ["OTEL_BSP_SCHEDULE_DELAY", "1.5", "/v1/traces", "using 1000"],
  ["OTEL_BSP_EXPORT_TIMEOUT", "0", "/v1/traces", "using 10000"],
  ["OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "/v1/traces", "using 10000"],
  ["OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "/v1/traces", "using none"],
  ["OTEL_EXPORTER_OTLP_HEADERS", "a=1,s3cr3t", "/v1/traces", "pair 2 is malformed"],
  ["OTEL_EXPORTER_OTLP_HEADERS", "a=s3cr3t%0d%0ab:1", "/v1/traces", "pair 1 is malformed"],
  ["OTEL_RESOURCE_ATTRIBUTES", "a", "/v1/traces", "pair 1 is malformed"],
  ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "user:s3cr3t@localhost:4317", "/v1/traces", "an http or https URL"],
  ["OTEL_EXPORTER_ZIPKIN_ENDPOINT", "zipkin:9411", "/v1/traces", "an http or https URL"],
  ["OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://127.0.0.1:9", "/v1/traces", "using OTLP"],
];

describe("a link warns once about an invalid OpenTelemetry variable, and continues:", () => {
  test.concurrent.each([...UNUSABLE])("%s=%s", async (variable, value, path, warning) => {
    await using receiver = startReceiver();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, [variable]: value };
    const { stderr, exitCode } = await answerOnce([], env, SAMPLED);
    expect(warningsIn(stderr)).toEqual([expect.stringContaining(warning)]);
    expect(stderr).not.toContain("s3cr3t");
    expect(receiver.posted.map((it) => it.path)).toEqual(path === null ? [] : [path]);
    expect(exitCode).toBe(0);
  });
});

test.each([
  ["OTEL_TRACES_SAMPLER_ARG", "lots", { OTEL_TRACES_SAMPLER: "traceidratio" }],
  [
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "/nowhere/ca.pem",
    { OTEL_EXPORTER_OTLP_ENDPOINT: "https://127.0.0.1:9" },
  ],
  [
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "/nowhere/key.pem",
    { OTEL_EXPORTER_OTLP_ENDPOINT: "https://127.0.0.1:9" },
  ],
])("%s=%s gets a warning only from a command that uses it", async (variable, value, used) => {
  const unused = await answerOnce([], { [variable]: value }, UNSAMPLED);
  expect(warningsIn(unused.stderr)).toEqual([]);
  const { stderr } = await answerOnce([], { ...used, [variable]: value }, UNSAMPLED);
  expect(warningsIn(stderr)).toEqual([expect.stringContaining(variable)]);
});

test("a link honors OpenTelemetry's variables", async () => {
  await using receiver = startReceiver();
  await answerOnce(
    [],
    {
      OTEL_TRACES_EXPORTER: "otlp",
      OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/ignored`,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/exact//path/`,
      OTEL_EXPORTER_OTLP_HEADERS: "X-Tenant=a%20b, x-other = 1",
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: "x-tenant=c",
      OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
      OTEL_RESOURCE_ATTRIBUTES: "service.name=ignored,team=a%2Cb",
      OTEL_BSP_SCHEDULE_DELAY: "0",
    },
    SAMPLED,
  );
  const [batch] = receiver.posted as [Posted];
  expect(batch.path).toBe("/exact//path/");
  expect(batch.headers.get("x-tenant")).toBe("c");
  expect(batch.headers.get("x-other")).toBe("1");
  expect(batch.headers.get("content-encoding")).toBe("gzip");
  const text = gunzipSync(batch.body).toString("latin1");
  expect(text).toContain("a,b");
  expect(text).not.toContain("ignored");
  expect(text).toContain("http.response.status_code");
});

test("the traces endpoint without a path gets requests for /", async () => {
  await using receiver = startReceiver();
  await answerOnce([], { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: receiver.url }, SAMPLED);
  expect(receiver.posted.map((it) => it.path)).toEqual(["/"]);
});

test("flags and chain-link's variables take precedence over OpenTelemetry's", async () => {
  await using receiver = startReceiver();
  const env = { OTEL_TRACES_EXPORTER: "none", OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" };
  await answerOnce(["--zipkin", receiver.url], env, SAMPLED);
  await answerOnce([], { ...env, CHAIN_LINK_OTLP: receiver.url }, SAMPLED);
  expect(receiver.posted.map((it) => it.path)).toEqual(["/api/v2/spans", "/v1/traces"]);
});

describe.skipIf(Bun.which("openssl") === null)("a receiver with a certificate of its own", () => {
  const folder = temporaryFolder();
  const [cert, key] = ["cert.pem", "key.pem"].map((name) => join(folder.path, name)) as [string, string];
  beforeAll(() => {
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
    const files = ["-keyout", key, "-out", cert];
    Bun.spawnSync(["openssl", "req", "-x509", ...curve, "-nodes", "-days", "2", ...subject, ...files]);
  });
  afterAll(() => folder[Symbol.dispose]());

  test("is trusted only if OTEL_EXPORTER_OTLP_CERTIFICATE names it", async () => {
    await using receiver = startReceiver({ cert: Bun.file(cert), key: Bun.file(key) });
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url };
    await answerOnce(["--grace", "1s"], env, SAMPLED);
    expect(receiver.posted).toHaveLength(0);
    await answerOnce([], { ...env, OTEL_EXPORTER_OTLP_CERTIFICATE: cert }, SAMPLED);
    expect(receiver.posted).toHaveLength(1);
  });

  test("that asks for one gets that of OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", async () => {
    const ca = Bun.file(cert);
    await using receiver = startReceiver({
      cert: ca,
      key: Bun.file(key),
      ca,
      requestCert: true,
      rejectUnauthorized: true,
    });
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_EXPORTER_OTLP_CERTIFICATE: cert };
    await answerOnce(["--grace", "1s"], env, SAMPLED);
    expect(receiver.posted).toHaveLength(0);
    const client = { OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: cert, OTEL_EXPORTER_OTLP_CLIENT_KEY: key };
    await answerOnce([], { ...env, ...client }, SAMPLED);
    expect(receiver.posted).toHaveLength(1);
  });
});

describe("a link that does not trace", () => {
  test.each(["OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=none"])(
    "with %s forwards the incoming context, and its ledger counts its callees' spans",
    async (variable) => {
      const [name = "", value = ""] = variable.split("=");
      const seen: Headers[] = [];
      await using callee = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch({ headers }) {
          seen.push(headers);
          return new Response("{}", { headers: { "chain-link-ledger": "1-000000000000002a" } });
        },
      });
      const context = { ...SAMPLED, tracestate: "a=1", baggage: "k=v", b3: `${TRACE_ID}-00f067aa0ba902b7-1` };
      const url = `http://127.0.0.1:${callee.port}`;
      const { headers, stdout } = await answerOnce(["--resolve", `b=${url}`], { [name]: value }, context);
      for (const [header, text] of Object.entries(context)) expect(seen[0]?.get(header)).toBe(text);
      expect(headers.get("chain-link-ledger")).toBe("1-000000000000002a");
      expect(stdout).toContain("chain_link_spans_sent_total 0");
      const none = await answerOnce(["--resolve", `b=${url}`], { [name]: value });
      expect(seen[1]?.get("traceparent")).toBeNull();
      expect(none.headers.get("traceresponse")).toBeNull();
    },
  );

  test.each([[[]], [["--in-process"]]])(`makes verify %j end with "could not tell"`, async (flags) => {
    const args = ["verify", "--instances", "2", "--requests", "2", "--rate", "50/s", "--max-wait", "0s"];
    const env = { OTEL_SDK_DISABLED: "true" };
    const { exitCode, stdout, stderr } = await runCli([...args, ...flags], { env });
    expect(warningsIn(stderr)).toEqual([expect.stringContaining("OTEL_SDK_DISABLED")]);
    expect(stdout).toStartWith("COULD NOT TELL: none of 0 spans missing");
    expect(exitCode).toBe(3);
  });
});
